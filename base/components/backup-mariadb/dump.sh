#!/bin/sh
# dump.sh KIND [PENDING]: one dump of the database into /backup/KIND-<time>.sql.gz.
# With PENDING, only when that file is not empty. A dump has its name once it is proved complete.
# restore.sh, beside it, puts one back.
set -eu
kind=$1
if [ $# -gt 1 ] && [ ! -s "$2" ]; then
  echo "no migration to come: no dump needed"
  exit 0
fi
folder=${BACKUP_FOLDER:-/backup}
file=$folder/$kind-$(date -u +%Y%m%dT%H%M%SZ).sql.gz
rm -f "$folder/$kind"-*.part
mariadb-dump --host="$DB_HOST" --port="$DB_PORT" --user="$DB_USER" --protocol=tcp \
  --single-transaction --quick --hex-blob --no-tablespaces "$DB_DATABASE" | gzip -c > "$file.part"
# A pipe hides a failed dump; its last line does not.
gzip -dc "$file.part" | tail -n 1 | grep -q 'Dump completed'
mv "$file.part" "$file"
echo "wrote $file"
# Newest first; the names sort by time. Fourteen of each kind stay.
ls -1r "$folder/$kind"-*.sql.gz | tail -n +15 | while read -r old; do rm -f "$old"; done
