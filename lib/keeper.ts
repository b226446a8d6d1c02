/**
 * A POSIX shell script that runs a program ("$@") which cannot outlive us: file descriptor 3 is a pipe from us; when it closes,
 * because we closed it or died (by `kill -9` too), the program is killed, and with it the process group, whose leader the script
 * has to be (`detached`). SIGTERM is passed on; the exit status is the program's
 * (128 + signal for a killed one). Standard input, output and error are the program's own. With `tellPid` the program's pid is
 * written to file descriptor 4. A parent-death signal would be Linux only.
 */
export function keeperScript(options: { readonly tellPid: boolean }): string {
  return [
    'c= e= g=',
    `trap 'e=1; [ -z "$c" ] || kill -TERM $c' TERM`,
    'trap g=1 USR1',
    'exec 5<&0',
    `"$@" <&5 3<&- 5<&-${options.tellPid ? ' 4>&-' : ''} & c=$!`,
    options.tellPid ? 'echo "$c" >&4; exec 4>&-' : '',
    'exec >/dev/null 2>&1 5<&-',
    '[ -z "$e" ] || kill -TERM $c',
    '( read -r _ <&3; kill -USR1 $$; kill -KILL $c ) & w=$!',
    'exec 3<&-',
    'while :; do wait $c; s=$?; kill -0 $c || break; done',
    'kill -KILL $w',
    '[ -z "$g" ] || kill -KILL -$$',
    'exit $s',
  ].filter(Boolean).join('\n');
}
