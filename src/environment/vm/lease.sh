#!/usr/lib/outrider/busybox sh
# Called by the DHCP client with what it was given, in variables.
# shellcheck disable=SC2154 # the client sets them
b=/usr/lib/outrider/busybox
case $1 in
  deconfig)
    $b rm -f "/run/lease.$interface"
    $b ip -4 addr flush dev "$interface"
    ;;
  bound | renew)
    [ "$1" = renew ] || $b ip -4 addr flush dev "$interface"
    $b ip -4 addr add "$ip/$mask" dev "$interface" 2>/dev/null
    for router in ${router-}; do
      # A router may be outside of the network, as in some clouds.
      $b ip -4 route replace "$router" dev "$interface"
      $b ip -4 route replace default via "$router" dev "$interface"
      break
    done
    {
      for server in ${dns-}; do printf 'nameserver %s\n' "$server"; done
      [ -z "${domain-}" ] || printf 'search %s\n' "$domain"
    } >"/run/resolv.$interface"
    $b cp "/run/resolv.$interface" /etc/resolv.conf.new && $b mv /etc/resolv.conf.new /etc/resolv.conf
    printf '%s\n' "$ip" >"/run/lease.$interface"
    ;;
esac
