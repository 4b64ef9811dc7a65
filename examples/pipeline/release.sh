#!/bin/sh
# From a checkpoint to a published release: build, verify, release, push. Runs unattended; stops at the first failure
# with bora's exit code (1: a verification failed, 3: bad input). Settings are variables of the environment:
#   CHECKPOINT  the checkpoint's directory                       BITS      budgets, default "4.5 3.5"
#   OUT         directory for packs and release, new or empty    LICENSE   by SPDX, such as apache-2.0
#   BASE_MODEL  owner/name at the hub                            SIGN_KEY, VERIFY_KEY  a private key and its public one, optional
#   REGISTRY    host/repository:tag to push to, optional         BORA      the program, default bora
set -eu

: "${CHECKPOINT:?} ${OUT:?} ${LICENSE:?} ${BASE_MODEL:?}"
bora=${BORA:-bora}

set --
for bits in ${BITS:-4.5 3.5}; do
  set -- "$@" --bits "$bits"
done
mkdir -p "$OUT/packs"
"$bora" build "$CHECKPOINT" "$@" ${CALIBRATION:+--calibration "$CALIBRATION"} ${PROFILE:+--profile "$PROFILE"} -o "$OUT/packs"

"$bora" release "$OUT"/packs/*.bora -o "$OUT/release" --license "$LICENSE" --base-model "$BASE_MODEL" \
  ${SIGN_KEY:+--sign "$SIGN_KEY"} --oci --archive tar.zst --max-shard-size "${MAX_SHARD_SIZE:-50GB}" --json >"$OUT/release.json"

if [ -n "${VERIFY_KEY:-}" ]; then
  "$bora" verify-signature "$OUT/release" --key "$VERIFY_KEY"
fi
if [ -n "${REGISTRY:-}" ]; then
  "$bora" push "$OUT/release" "$REGISTRY"
fi
