/**
 * Owns the scripts by which shells ask what can be typed next, one for each shell.
 * Must not know what is answered.
 * Invariant: a script asks `outrider completion --propose WORD...`, the last word as far as it is typed, and takes a line
 * `WORD<tab>MEANING` for each answer; where there is none, the shell offers files.
 */

/** Each shell's script. */
export const SHELLS = {
  bash: `# Completion of outrider for bash: source <(outrider completion bash)
_outrider() {
  local at word words=()
  COMPREPLY=()
  for ((at = 1; at <= COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    # Bash takes --option=value apart into three.
    if [[ $word != "=" ]]; then words+=("$word"); elif ((at == COMP_CWORD)); then words+=(""); fi
  done
  while IFS=$'\\t' read -r word _; do
    COMPREPLY+=("$word")
  done < <(outrider completion --propose "\${words[@]}" 2>/dev/null)
}
complete -o default -F _outrider outrider
`,
  zsh: `#compdef outrider
# Completion of outrider for zsh: source <(outrider completion zsh), after compinit
_outrider() {
  local line
  local -a proposed
  while IFS= read -r line; do
    proposed+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(outrider completion --propose "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#proposed} )); then
    _describe outrider proposed
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _outrider ]]; then _outrider "$@"; else compdef _outrider outrider; fi
`,
  fish: `# Completion of outrider for fish: outrider completion fish | source
function __outrider_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test -n "$current"; or set current ""
    set -l proposed (outrider completion --propose $words[2..-1] $current 2>/dev/null)
    if test (count $proposed) -gt 0
        printf '%s\\n' $proposed
    else
        __fish_complete_path "$current"
    end
end
complete -c outrider -f -a '(__outrider_complete)'
`,
} as const;

/** A shell that there is a script for. */
export type Shell = keyof typeof SHELLS;
