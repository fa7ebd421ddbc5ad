#!/bin/sh
# The S3 store in one process, for one machine: SeaweedFS, from the package that the publisher is tested with. Anyone may
# read objects of the bucket `content` (the edge does, without a key), and do nothing else without the key.
set -eu
umask 077
cat > /data/s3.json <<JSON
{"identities": [
  {"name": "publisher", "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "anonymous", "actions": ["Read:content"]}
]}
JSON
[ -s /data/volume.key ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > /data/volume.key
WEED_JWT_SIGNING_KEY=$(cat /data/volume.key) HOME=/data exec weed -logtostderr=true mini -dir=/data/objects -ip="${STORE_IP:-store}" \
    -ip.bind="${STORE_BIND:-0.0.0.0}" -bucket=content -s3.config=/data/s3.json -s3.port="${STORE_PORT:-8333}" -disableHttp -webdav=false \
    -admin.ui=false -s3.iam=false -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false -volume.preStopSeconds=0 "$@"
