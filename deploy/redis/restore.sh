#!/bin/sh
# Makes the data directory of a Redis or Valkey from a snapshot: docs/backup.md.
# Usage: restore.sh SNAPSHOT DIRECTORY. SNAPSHOT is an RDB file, and DIRECTORY has no data yet. Needs redis-server and
# redis-cli, of the version that will run.
#
# A Redis with an append-only file reads nothing else at its start: with a snapshot alone it would begin empty. So a
# Redis without one reads the snapshot here, on a socket that no other program knows, and then writes that file.
set -eu

if [ $# -ne 2 ] || [ ! -f "$1" ] || [ ! -d "$2" ]; then
  echo "usage: restore.sh SNAPSHOT DIRECTORY; SNAPSHOT is an RDB file, DIRECTORY an existing directory" >&2
  exit 2
fi
directory=$2
for name in appendonlydir appendonly.aof dump.rdb; do
  if [ -e "$directory/$name" ]; then
    echo "$directory has data ($name): move it away first, and keep it" >&2
    exit 2
  fi
done

private=$(mktemp -d)
server=
restored=
clean_up() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || :
    wait "$server" || :
  fi
  rm -rf "$private" "$directory/dump.rdb"
  # A part of the data would look like all of it to a Redis.
  [ -n "$restored" ] || rm -rf "$directory/appendonlydir" "$directory/appendonly.aof"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

cp "$1" "$directory/dump.rdb"
redis-server --dir "$directory" --dbfilename dump.rdb --save "" --appendonly no \
  --port 0 --unixsocket "$private/socket" >"$private/log" &
server=$!

ask() { redis-cli -s "$private/socket" "$@" 2>&1; }

failed() {
  echo "the snapshot could not be restored:" >&2
  tail -n 20 "$private/log" >&2
  exit 1
}

# wait_for TEXT COMMAND...: until the answer to this command has this text.
wait_for() {
  text=$1 && shift
  until ask "$@" | grep -q "$text"; do
    kill -0 "$server" 2>/dev/null || failed
    sleep 0.1
  done
}

wait_for PONG ping
wait_for OK config set appendonly yes
wait_for aof_rewrite_scheduled:0 info persistence
wait_for aof_rewrite_in_progress:0 info persistence
ask info persistence | grep -q aof_last_bgrewrite_status:ok || failed
keys=$(ask dbsize)
ask shutdown nosave >"$private/answer"
wait "$server"
restored=yes
echo "$directory has $keys keys"
