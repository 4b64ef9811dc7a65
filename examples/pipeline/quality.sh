#!/bin/sh
# What packs of several sizes lose: one line for each size and profile, with the mean KL divergence of its predictions from the checkpoint's.
# Goes through the commands that anyone would use: calibrate, convert, verify. Settings are variables of the environment:
#   CHECKPOINT   the checkpoint's directory         CALIBRATION_TEXT, EVALUATION_TEXT  different texts
#   OUT          directory for what is made         SIZES     of packs, tokenizer files not counted, as convert's --size takes them
#   PROFILES     default "best fast"                WINDOWS   of 512 tokens to evaluate on, default 40
#   CALIBRATE    more options for calibrate         BORA      the program, default bora
# A calibration or a pack that is in OUT already is taken as it is, so a run that was interrupted goes on.
set -eu

: "${CHECKPOINT:?} ${CALIBRATION_TEXT:?} ${EVALUATION_TEXT:?} ${OUT:?} ${SIZES:?}"
bora=${BORA:-bora}
if cmp -s "$CALIBRATION_TEXT" "$EVALUATION_TEXT"; then
  echo "CALIBRATION_TEXT and EVALUATION_TEXT: expected different texts, found one" >&2
  exit 2
fi
mkdir -p "$OUT"

# shellcheck disable=SC2086 # CALIBRATE is a list of options
[ -e "$OUT/calibration" ] || "$bora" calibrate "$CHECKPOINT" --text "$CALIBRATION_TEXT" ${CALIBRATE:-} -o "$OUT/calibration" >&2

# The checkpoint's own values, run by the same kernels; the naive model of `--against CHECKPOINT` says the same, but takes minutes each time.
[ -e "$OUT/exact.bora" ] || "$bora" convert "$CHECKPOINT" --policy bf16 -o "$OUT/exact.bora" >&2

divergence() {
  # A pack that fails verify's gate (exit code 1) has a divergence all the same.
  "$bora" verify "$1" --against "$OUT/exact.bora" --text "$EVALUATION_TEXT" --windows "${WINDOWS:-40}" --window 512 \
    --activations "$2" --json >"$OUT/verify.json" || [ $? -eq 1 ]
  sed -n 's/^    "kld.mean" : \([0-9.E-]*\),*$/\1/p' "$OUT/verify.json"
}

printf 'profile\tsize\tkld, f32 activations\tkld, int8 activations\n'
for size in $SIZES; do
  for profile in ${PROFILES:-best fast}; do
    pack=$OUT/$profile-$size.bora
    [ -e "$pack" ] || "$bora" convert "$CHECKPOINT" --size "$size" --profile "$profile" --calibration "$OUT/calibration" -o "$pack" >&2
    f32=$(divergence "$pack" f32)
    int8=$(divergence "$pack" int8)
    printf '%s\t%s\t%s\t%s\n' "$profile" "$size" "$f32" "$int8"
  done
done
