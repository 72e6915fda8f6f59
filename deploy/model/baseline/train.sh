#!/bin/sh
# Trains model.txt anew: two synthetic provinces, features as rescore computes
# them, LightGBM on the first, figures on the second.
#
#   make build && sh deploy/model/baseline/train.sh
#
# Needs python3 with lightgbm, numpy and pyarrow. With LightGBM 4.6.0 the text
# is the committed one, byte for byte.
set -eu
cd "$(dirname "$0")/../../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

features='fee_last fee_avg3 fee_chg1 fee_chg3 fee_slope fee_cv
  out_sec_last out_sec_avg3 out_sec_chg1 out_sec_chg3 out_sec_slope out_sec_zero_run
  in_sec_last in_sec_chg1 in_sec_chg3 in_sec_slope sms_cnt_chg3
  data_kb_last data_kb_chg1 data_kb_chg3 data_kb_slope
  recharge_cnt_last recharge_cnt_avg3 recharge_fen_chg3 elogin_cnt_chg3
  out_in_ratio days_to_contract_end has_contract tenure
  suspend_cnt6 complaint_cnt3 fault_cnt3 bill_shock
  pay_mode brand_m0 balance_fen arrears_fen complaint_result status_m0 trg_3'

for seed in 1 2; do
  ./bin/rescore synth --out "$scratch/$seed" --subscribers 600000 --seed $seed --quiet
  set --
  for f in $features; do set -- "$@" --feature "$f"; done
  ./bin/rescore features export "$scratch/$seed/job.yaml" --out "$scratch/$seed/features.parquet" "$@"
done
python3 deploy/model/baseline/train.py \
  --train-features "$scratch/1/features.parquet" --train-labels "$scratch/1/labels" \
  --test-features "$scratch/2/features.parquet" --test-labels "$scratch/2/labels" \
  --model deploy/model/baseline/model.txt
