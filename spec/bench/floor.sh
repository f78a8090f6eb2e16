#!/bin/sh
# The least that moving an image can take: curl for its blobs and one pass of the fastest hash over them.
#
#	floor.sh pull    SOURCE FOLDER DIGEST...       registry to files
#	floor.sh push    FOLDER TARGET DIGEST...       files to registry
#	floor.sh through SOURCE TARGET FOLDER DIGEST...  registry to registry; the bytes hashed are FOLDER's same ones
#
# SOURCE and TARGET are http://host/v2/repository, FOLDER holds files named by the hex of their digests.
set -eu
mode=$1 a=$2 b=$3
shift 3

upload() { # target digest, the bytes are curl's further arguments
	location=$(curl -sf -X POST -o /dev/null -D - "$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	case $location in /*) location=${1%%/v2/*}$location ;; esac
	case $location in *\?*) location="$location&digest=$2" ;; *) location="$location?digest=$2" ;; esac
	shift 2
	curl -sf -o /dev/null -H 'Content-Type: application/octet-stream' -X PUT "$@" "$location"
}

case $mode in
pull)
	for digest; do
		set -- "$@" -o "$b/${digest#*:}" "$a/blobs/$digest"
		shift
	done
	curl -sfZ "$@"
	openssl dgst -sha256 "$b"/* >/dev/null
	;;
push)
	for digest; do
		openssl dgst -sha256 "$a/${digest#*:}" >/dev/null
		upload "$b" "$digest" -T "$a/${digest#*:}"
	done
	;;
through)
	folder=$1
	shift
	for digest; do
		openssl dgst -sha256 "$folder/${digest#*:}" >/dev/null
		curl -sf "$a/blobs/$digest" | upload "$b" "$digest" -T -
	done
	;;
esac
