#!/usr/bin/env bash
# One machine with 8 GPUs: eight workers with one GPU each, on a Ray that is started here and is gone with the run.
#
#   experiments/clusters/one_node.sh [PLAN] [RUN FOLDER]
#
# For a model that needs several GPUs: WORKERS=2 GPUS=4. The same command goes on with a run that was stopped.
set -euo pipefail

plan=${1:-experiments/battery/plan.toml}
out=${2:-runs/battery}

introspect run "$plan" --out "$out" --executor ray --workers "${WORKERS:-8}" --gpus-per-worker "${GPUS:-1}"
