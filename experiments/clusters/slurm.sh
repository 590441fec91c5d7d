#!/usr/bin/env bash
# A Slurm allocation on which Ray is started: the first node is the head and runs the driver, all nodes have workers.
#
#   sbatch experiments/clusters/slurm.sh [PLAN] [RUN FOLDER]
#
# The folder with the plan, the environment (.venv) and the run folder are on a file system that all nodes share; so is
# the home folder, in which Ray keeps the token without which nobody joins this cluster. Submit the same command again
# to go on with a run that ran out of time. Add your site's partition and account.
#SBATCH --job-name=introspect
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:INT@300
set -euo pipefail

plan=${1:-experiments/battery/plan.toml}
out=${2:-runs/battery}
gpus_per_node=${SLURM_GPUS_PER_NODE:-8}
gpus_per_worker=${GPUS:-1}
port=$((20000 + SLURM_JOB_ID % 10000))

# shellcheck source=/dev/null
source .venv/bin/activate
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_worker_niceness=0
ray get-auth-token --generate > /dev/null

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(srun --nodes=1 --ntasks=1 --overlap -w "${nodes[0]}" hostname --ip-address | awk '{print $1}')

srun --nodes=1 --ntasks=1 --overlap -w "${nodes[0]}" \
    ray start --block --head --node-ip-address="$head" --port="$port" --include-dashboard=false \
    --num-gpus="$gpus_per_node" --num-cpus="$SLURM_CPUS_PER_TASK" &

# The driver and the other nodes need the head: they wait until it answers.
until ray status --address="$head:$port" > /dev/null 2>&1; do sleep 2; done

for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --overlap -w "$node" \
        ray start --block --address="$head:$port" \
        --num-gpus="$gpus_per_node" --num-cpus="$SLURM_CPUS_PER_TASK" &
done

workers=$((${#nodes[@]} * gpus_per_node / gpus_per_worker))
introspect run "$plan" --out "$out" --executor ray --address "$head:$port" \
    --workers "$workers" --gpus-per-worker "$gpus_per_worker" &
driver=$!
trap 'kill -INT "$driver"' INT TERM # five minutes before the end: stop in an orderly way
wait "$driver" || wait "$driver"
