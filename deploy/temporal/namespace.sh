#!/bin/sh
# Creates the namespace and Nestor's search attributes. Run again, it changes
# nothing. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read by the temporal
# command itself.
set -eu

# eventually COMMAND ...: tries for a minute, and shows the last failure. A new
# server takes seconds to serve, a new namespace seconds to be known.
eventually() {
  tries=60
  until said=$("$@" 2>&1); do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "$* failed: $said" >&2; exit 1; }
    sleep 1
  done
  echo "$said"
}

eventually temporal operator cluster health

temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h

eventually temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
  --name NestorTeam --type Keyword \
  --name NestorApplication --type Keyword \
  --name NestorEnvironment --type Keyword \
  --name NestorRelease --type Keyword \
  --name NestorStatus --type Keyword
