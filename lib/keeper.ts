/**
 * A POSIX shell script that runs a program ("$@") which cannot outlive us: file descriptor 3 is a pipe from us; when it closes,
 * because we closed it or died (by `kill -9` too), the program is killed, and with it the process group, whose leader the script
 * has to be (`detached`). SIGTERM is passed on; the exit status is the program's
 * (128 + signal for a killed one). Standard input, output and error are the program's own. With `tellPid` the program's pid is
 * written to file descriptor 4. A parent-death signal would be Linux only.
 */
export function keeperScript(options: { readonly tellPid: boolean }): string {
  return [
    'c= e=',
    `trap 'e=1; [ -z "$c" ] || kill -TERM $c' TERM`,
    'exec 5<&0',
    `"$@" <&5 3<&- 5<&-${options.tellPid ? ' 4>&-' : ''} & c=$!`,
    options.tellPid ? 'echo "$c" >&4; exec 4>&-' : '',
    'exec >/dev/null 2>&1 5<&-',
    '[ -z "$e" ] || kill -TERM $c',
    '( read -r _ <&3; kill -KILL $c; kill -KILL -$$ ) & w=$!',
    'exec 3<&-',
    'while :; do wait $c; s=$?; kill -0 $c || break; done',
    'kill -KILL $w',
    'exit $s',
  ].filter(Boolean).join('\n');
}
