#!/bin/sh
# The demonstration of `make run`, up to the service: the commands a new user types.
#   demo.sh BIN FOLDER PORT
set -eu

bin=$(cd "$1" && pwd)
mkdir -p "$2"
demo=$(cd "$2" && pwd)
port=$3
export DIRECTUS_GITOPS_DATA="$demo/data"

say() { printf '\n\033[1m$ directus-gitops %s\033[0m\n' "$*"; }
try() { say "$@"; "$bin/directus-gitops" "$@"; }

if ! command -v kustomize >/dev/null && ! command -v kubectl >/dev/null; then
  try tools install
fi
if [ ! -d "$demo/fleet" ]; then
  try init "$demo/fleet" --directus-version 12.4.0
fi
cd "$demo/fleet"
try status
try bump example development 12.4.1
try pr list
try pr show 1

cat <<END

The repository is in $2/fleet; try: cd $2/fleet && $bin/directus-gitops pr merge 1
(with DIRECTUS_GITOPS_DATA=$demo/data)
Pages: http://127.0.0.1:$port/   any user name; this token is the password:
END
"$bin/directus-gitops" token create --role viewer --name demo
echo
