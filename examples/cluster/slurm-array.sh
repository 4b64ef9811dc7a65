#!/bin/bash
# Eight parts as a job array, joined by a job that waits for them:
#   job=$(sbatch --parsable slurm-array.sh)
#   sbatch --dependency=afterok:"$job" --wrap "bora join \$CHECKPOINT --plan \$PLAN -o \$OUT"
# CHECKPOINT, PLAN and OUT are variables of the environment; the directory of OUT is one that all nodes see.
#SBATCH --job-name=bora-convert
#SBATCH --array=1-8
#SBATCH --cpus-per-task=8
#SBATCH --mem=4G
#SBATCH --requeue
set -euo pipefail
exec "${BORA:-bora}" convert "$CHECKPOINT" --plan "$PLAN" --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX" \
  --threads "${SLURM_CPUS_PER_TASK:-1}" --resume -o "$OUT"
