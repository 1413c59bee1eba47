#!/bin/sh
# Hands the password to redis by standard input: argv can be read by every process of the node,
# and a file would outlive its use.
set -eu
password=$(printf '%s' "$REDIS_PASSWORD" | sed 's/[\\"]/\\&/g')
exec redis-server /config/redis.conf - <<END
requirepass "$password"
END
