#!/usr/bin/env bash
# Trains the reference triple of one recipe, stage after stage, within a time budget, and carries on
# where the last call stopped: call it again with the same OUT until it says "all stages are done".
#
#   RECIPE=kb-separation OUT=runs/separation MINUTES=9 benchmarks/train_reference.sh [OPTION...]
#
# RECIPE is a recipe or a dataset folder (rendered beforehand, so that a GPU never waits); OPTIONs go
# to every `kbbench train`: --corpus NAME=FOLDER, --steps, --batch-size, --bf16, --processes ...
# A device with hints begins as the small one. STARTS=folder: a stage whose weights lie there, from an
# earlier training, begins with those (such as kbbench/baselines/shipped/separation-kb).
# OUT holds weights, logs and checkpoints; where OUT must be empty at the start, copy the last one
# into it first (FROM=folder).
set -euo pipefail

: "${RECIPE:?a recipe or a dataset folder}" "${OUT:?a folder}"
STAGES="${STAGES:-large small baseline boosted film output distilled small2}"
DEVICE="${DEVICE:-$(python -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')}"
end=$((SECONDS + 60 * ${MINUTES:-9}))

mkdir -p "$OUT"
if [ -n "${FROM:-}" ]; then cp -r "$FROM/." "$OUT/"; fi

for stage in $STAGES; do
  left=$((end - SECONDS))
  if [ "$left" -lt 30 ]; then echo "time is up before $stage: call again"; exit 0; fi
  start=()
  case "$stage" in boosted | film | output) start=(--start "$OUT/small.safetensors") ;; esac
  if [ -f "${STARTS:-}/$stage.safetensors" ]; then start=(--start "$STARTS/$stage.safetensors"); fi
  line=$(kbbench train "$RECIPE" --stage "$stage" --out "$OUT" --device "$DEVICE" "${start[@]}" \
    --minutes "$(awk "BEGIN { print ($left - 15) / 60 }")" "$@")
  echo "$line"
  case "$line" in *": done") ;; *) echo "time is up in $stage: call again"; exit 0 ;; esac
done
echo "all stages are done"
