/**
 * Owns by which names a machine reaches itself alone.
 * Must not know who asks whom.
 */

/** Whether a host, without its port, can only be this machine itself; an IPv6 address with brackets or without. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(hostname);
}
