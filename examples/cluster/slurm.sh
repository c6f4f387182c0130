#!/usr/bin/env bash
# A dataset in three parts by a Slurm array, on a file system that the nodes share:
#
#   job=$(sbatch --parsable examples/cluster/slurm.sh)
#   sbatch --dependency=afterok:$job --wrap 'npx tiresias dataset assemble data/mdp --out data/mdp'
#
# Sent again, the array makes only what is missing; some tasks of it too, as in `sbatch --array=1 examples/cluster/slurm.sh`.
#SBATCH --job-name=tiresias
#SBATCH --array=0-2
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --output=tiresias-%A_%a.log
set -uo pipefail

# As many as the array has tasks. Said here, an array of some of the tasks does not pass for a whole one.
export TIRESIAS_SHARDS=3

srun ${TIRESIAS:-npx tiresias} dataset make --regime mdp --examples "${EXAMPLES:-1000000}" --shard-examples "${SHARD_EXAMPLES:-50000}" \
  --tokenizer compact --threads "${SLURM_CPUS_PER_TASK:-2}" --out "${OUT:-data}"
code=$?

# Not done yet (docs/exit-codes.md), as where a node died and its lock still counts: the task waits and comes again.
if [ "$code" -eq 75 ]; then
  sleep "${PATIENCE:-60}"
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
