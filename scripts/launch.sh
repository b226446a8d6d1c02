# Sets firstlight up (Node, packages) and starts one of its programs. Read by ./firstlight and test/run; POSIX sh.
# shellcheck shell=sh

fail() {
  printf 'firstlight: %s\n' "$*" >&2
  exit 1
}

tell() { printf 'firstlight: %s\n' "$*" >&2; }

# enough_node FILE: whether it is a Node of 22.18 or newer, which runs TypeScript as it is.
enough_node() {
  [ -x "$1" ] && [ ! -d "$1" ] || return 1
  said=$("$1" --version 2>/dev/null) || return 1
  said=${said#v}
  major=${said%%.*}
  rest=${said#*.}
  minor=${rest%%.*}
  case "$major$minor" in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -gt 22 ] || { [ "$major" -eq 22 ] && [ "$minor" -ge 18 ]; }
}

# find_node: sets `node` to the first new enough one on PATH, or the cached one; false where there is none.
find_node() {
  old_ifs=$IFS
  IFS=:
  for folder in $PATH; do
    if enough_node "$folder/node"; then
      IFS=$old_ifs
      node=$folder/node
      return 0
    fi
  done
  IFS=$old_ifs
  node=$cache/node/24/node_modules/node/bin/node
  enough_node "$node"
}

# with_lock NAME COMMAND: runs a function while no other firstlight holds the lock; one whose holder is gone is taken over.
with_lock() {
  lock=$cache/locks/$1
  shift
  mkdir -p "$cache/locks" || fail "$cache cannot be written: make it writable, or set XDG_CACHE_HOME"
  nameless=0
  until mkdir "$lock" 2>/dev/null; do
    holder=$(cat "$lock/pid" 2>/dev/null) || holder=
    [ -n "$holder" ] || nameless=$((nameless + 1))
    if [ "$nameless" -ge 5 ] || { [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; }; then
      nameless=0
      # Only one of several finders can rename it.
      mv "$lock" "$lock.$$" 2>/dev/null && rm -rf "$lock.$$"
    else
      sleep 1
    fi
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  "$@"
  rm -rf "$lock"
  trap - EXIT INT TERM HUP
}

# quietly WHAT COMMAND…: shows what a command said only when it failed.
quietly() {
  what=$1
  shift
  log=$cache/launch.$$.log
  if ! "$@" </dev/null >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    fail "$what failed (npm's own words are above); mend that and run again"
  fi
  rm -f "$log"
}

need_npm() {
  command -v npm >/dev/null 2>&1 || fail 'npm is not on PATH: install Node with npm (for instance `apt install nodejs npm`, or https://nodejs.org), then run again'
}

bring_node() {
  find_node && return 0
  command -v node >/dev/null 2>&1 || fail 'Node is not on PATH: install it with npm (for instance `apt install nodejs npm`, or https://nodejs.org; any version brings the one needed), then run again'
  need_npm
  tell "Node $(node --version 2>/dev/null || echo '(broken)') is too old: bringing Node 24 into $cache/node"
  rm -rf "$cache/node/24"
  mkdir -p "$cache/node/24"
  quietly 'fetching Node 24' npm install --prefix "$cache/node/24" --no-audit --no-fund --loglevel=error node@24
  find_node || fail "Node 24 was fetched to $cache/node/24 but does not run: install Node 22.18 or newer yourself"
}

# The packages fit the lock file and this Node's major version where this text is in node_modules.
stamp_text() { printf '%s %s' "$(cksum <"$root/package-lock.json")" "$("$node" -p 'process.versions.modules + process.platform + process.arch')"; }

packages_fit() { [ "$(cat "$root/node_modules/.firstlight" 2>/dev/null)" = "$stamp" ]; }

bring_packages() {
  packages_fit && return 0
  need_npm
  tell 'fetching the packages of package-lock.json'
  quietly 'npm ci' env PATH="$(dirname "$node"):$PATH" npm ci --prefix "$root" --ignore-scripts --no-audit --no-fund --loglevel=error
  printf '%s' "$stamp" >"$root/node_modules/.firstlight"
}

# launch ROOT PROGRAM ARGUMENTS…: becomes the program (a .ts file below ROOT).
launch() {
  root=$1
  program=$2
  shift 2
  [ -n "${HOME:-}" ] || fail 'HOME is not set: set it to your home folder, where programs keep their settings and caches'
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/firstlight
  case "$cache" in /*) ;; *) fail 'XDG_CACHE_HOME must be an absolute path' ;; esac
  find_node || with_lock node bring_node
  stamp=$(stamp_text)
  packages_fit || with_lock "packages-$(printf '%s' "$root" | cksum | cut -d' ' -f1)" bring_packages
  exec "$node" --disable-warning=ExperimentalWarning "$root/$program" "$@"
}
