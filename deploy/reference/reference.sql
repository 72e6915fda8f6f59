-- The second reference: the fourteen triggers, the three kinds of churn and the
-- decision, in SQL, written from the rules (docs/kernels.md) and not from the
-- kernels. SQL's NULL is UNKNOWN and its AND, OR and NOT are Kleene's, so a rule
-- reads as it is spoken. reference.py fills in the job's defaults, which appear
-- here as $name, and compares the answer with a published version.
--
-- base: the canonical record, one row a number. m is the scoring month.

CREATE MACRO month_index(d) AS year(d) * 12 + month(d) - 1;

-- What may be believed: full months on the network (NULL: unknown, limits
-- nothing), and which months are the subscriber's own.
CREATE VIEW person AS
SELECT *,
  CASE WHEN tenure_months IS NOT NULL THEN greatest(tenure_months, 0)
       WHEN activation_date IS NOT NULL -- greatest passes over NULL
       THEN greatest(month_index($asof) - month_index(activation_date) + (day(activation_date) = 1)::INT, 0) END AS tenure,
  coalesce(month_index($asof) - month_index(activation_date) + 1, 6) AS own
FROM base;

CREATE MACRO mine(x, k, own) AS CASE WHEN own > k THEN x END;

CREATE VIEW history AS
SELECT *,
  least(tenure, CASE WHEN activation_date IS NOT NULL THEN greatest(own, 0) END) AS depth,
  mine(fee_m0, 0, own) AS f0, mine(fee_m1, 1, own) AS f1, mine(fee_m2, 2, own) AS f2,
  mine(fee_m3, 3, own) AS f3, mine(fee_m4, 4, own) AS f4, mine(fee_m5, 5, own) AS f5,
  -- Traffic of a month: known to be none only when both directions are known.
  mine(out_sec_m0 > 0 OR in_sec_m0 > 0, 0, own) AS talk0,
  mine(out_sec_m1 > 0 OR in_sec_m1 > 0, 1, own) AS talk1,
  mine(out_sec_m2 > 0 OR in_sec_m2 > 0, 2, own) AS talk2,
  coalesce(event_flags, 0) AS flags,
  coalesce(vip_class, 0) AS class,
  nullif(coalesce(pay_mode, 0), 0) AS pay,
  nullif(coalesce(service_type, 0), 0) AS service,
  coalesce(status_m0, 0) AS state,
  coalesce(group_id, 0) <> 0 AS grouped
FROM person;

-- One column a trigger: TRUE, FALSE or NULL. A comparison with an unknown depth
-- is NULL and is then not "short".
CREATE VIEW judged AS
SELECT *,
  CASE WHEN class NOT BETWEEN 1 AND 4 THEN false
       WHEN depth < 2 OR f0 IS NULL OR f1 IS NULL THEN NULL
       ELSE greatest(f0, f1) < $t1_threshold_fen[class] END AS t1,
  CASE WHEN state = 2 THEN false
       WHEN depth < 4 OR f0 + f1 + f2 + f3 IS NULL THEN NULL
       ELSE f3 >= $t2_base_fen AND f3 > f2 AND f2 > f1 AND f1 > f0
            AND 100 * (f3 - f0)::HUGEINT >= $t2_drop_pct * f3::HUGEINT END AS t2,
  -- An unknown pay mode is UNKNOWN, whatever the amounts are (3.4).
  CASE WHEN pay IS NOT NULL THEN
    (pay = 1 AND balance_fen < $t3_balance_fen)
    OR (pay = 1 AND state <> 2 AND CASE WHEN depth < 3 THEN NULL ELSE NOT talk0 AND NOT talk1 AND NOT talk2 END) END AS t3,
  CASE WHEN pay IS NOT NULL THEN pay = 2 AND arrears_fen > $t4_arrears_fen END AS t4,
  service = 3 AND CASE WHEN depth < 1 THEN NULL ELSE NOT talk0 END AS t5_raw,
  CASE WHEN service <> 4 OR bb_status <> 1 THEN false
       WHEN depth < 2 OR bb_flow_kb_m0 IS NULL OR bb_flow_kb_m1 IS NULL THEN NULL
       ELSE service = 4 AND bb_status = 1 AND mine(bb_flow_kb_m0 = 0, 0, own) AND mine(bb_flow_kb_m1 = 0, 1, own) END AS t6,
  CASE WHEN depth < 1 THEN NULL ELSE mine(other_ld_sec_m0, 0, own) > $t7_seconds END AS t7,
  fault_cnt_m0 >= $t8_faults AS t8,
  coalesce(complaint_result, 0) IN (2, 3)
    AND coalesce(date_diff('day', complaint_date, $asof) BETWEEN 0 AND $t9_days, true) AS t9,
  flags & 1 <> 0 AND coalesce(service, 0) <> 1 AS t10,
  coalesce(contract_end > $asof AND contract_end <= ($asof + to_months($t11_months))::DATE, false) AS t11,
  flags & 2 <> 0 AND coalesce(service, 0) <> 1 AS t12,
  flags & 4 <> 0 AND coalesce(service, 0) <> 1 AS t13,
  flags & 8 <> 0 AND (class > 0 OR grouped) AS t14
FROM history;

-- T5 of a number not on the network for a full month is UNKNOWN even when it has
-- talked, if it is or may be a campus phone.
CREATE VIEW triggers AS
SELECT *, CASE WHEN coalesce(service, 3) = 3 AND depth < 1 THEN NULL ELSE t5_raw END AS t5 FROM judged;

CREATE MACRO bits(a) AS list_sum(list_transform(range(1, len(a) + 1), LAMBDA i : CASE WHEN a[i] THEN 1 << (i - 1) ELSE 0 END))::BIGINT;

-- SplitMix64's finaliser, in 128 bits because SQL does not wrap.
CREATE MACRO mul64(a, b) AS ((a::UHUGEINT * b::UHUGEINT) & 18446744073709551615::UHUGEINT)::UBIGINT;
CREATE MACRO mix1(x) AS mul64(xor(x, x >> 30), 13787848793156543929::UBIGINT);
CREATE MACRO mix2(x) AS mul64(xor(x, x >> 27), 10723151780598845931::UBIGINT);
CREATE MACRO mix3(x) AS xor(x, x >> 31);
CREATE MACRO mix(x) AS mix3(mix2(mix1(x)));

CREATE VIEW valued AS
SELECT t.*, s.propensity::DOUBLE AS p,
  (f0 IS NOT NULL)::INT + (f1 IS NOT NULL)::INT + (f2 IS NOT NULL)::INT AS bills,
  greatest(coalesce(f0, 0) + coalesce(f1, 0) + coalesce(f2, 0), 0) AS billed,
  coalesce(mine(suspend_cnt_m1, 1, own), 0) + coalesce(mine(suspend_cnt_m2, 2, own), 0) + coalesce(mine(suspend_cnt_m3, 3, own), 0)
    + coalesce(mine(suspend_cnt_m4, 4, own), 0) + coalesce(mine(suspend_cnt_m5, 5, own), 0) AS suspensions
FROM triggers t JOIN published s USING (msisdn);

CREATE VIEW priced AS
SELECT *, CASE WHEN bills > 0 THEN round_even(billed / bills, 0) END AS arpu FROM valued;

CREATE VIEW decided AS
SELECT *,
  CASE
    WHEN state IN (6, 7) THEN 10
    WHEN flags & 128 <> 0 THEN 8
    WHEN flags & 64 <> 0 OR state IN (4, 5) AND arrears_fen >= $bad_debt_fen AND suspensions >= $bad_debt_suspends THEN 3
    WHEN state = 4 THEN 5
    WHEN grouped AND flags & 16 <> 0 THEN 6
    WHEN mine(cell_city_code_m0, 0, own) <> city_code AND mine(cell_city_code_m1, 1, own) <> city_code THEN 7
    WHEN flags & 32 <> 0 THEN 4
    WHEN arpu IS NULL THEN 11
    WHEN p * arpu * ($save_rate::DOUBLE * $margin * $horizon_months)
         - ($contact_cost_fen + $accept_rate::DOUBLE * $offer_cost_fen) < 0 THEN 2
    WHEN mix(xor(msisdn, mix($holdout_key))) % 100 < $holdout_pct AND class = 0 AND coalesce(vip_grade, 0) = 0 THEN 9
    ELSE 1
  END AS decision
FROM priced;

-- C04. A month before the first full one is not compared: bills of the month
-- somebody joined in are partial.
CREATE VIEW parts AS
SELECT *,
  CASE WHEN activation_date IS NULL THEN 6
       ELSE month_index($asof) - month_index(activation_date) + (day(activation_date) = 1)::INT END AS whole,
  mine(out_cnt_m0 > 0 OR in_cnt_m0 > 0, 0, own) AS called,
  [mine(brand_m1, 1, own), mine(brand_m2, 2, own), mine(brand_m3, 3, own), mine(brand_m4, 4, own), mine(brand_m5, 5, own)] AS brands,
  [mine(status_m1, 1, own), mine(status_m2, 2, own), mine(status_m3, 3, own), mine(status_m4, 4, own), mine(status_m5, 5, own)] AS states,
  mine(brand_m0, 0, own) AS brand_now
FROM history;

CREATE VIEW compared AS
SELECT *,
  list_filter(brands, LAMBDA b : b IS NOT NULL)[1] AS brand_before,
  list_filter(states, LAMBDA b : b <> 6)[1] AS state_before,
  mine(fee_m3, 3, whole) + mine(fee_m4, 4, whole) + mine(fee_m5, 5, whole) AS a,
  mine(fee_m0, 0, whole) + mine(fee_m1, 1, whole) + mine(fee_m2, 2, whole) AS b
FROM parts;

CREATE MACRO tier(sum3) AS (sum3 >= 3 * $churn_tier_fen[1])::INT + (sum3 >= 3 * $churn_tier_fen[2])::INT;

-- A cancelled number whose last state was arrears suspended or pre-cancelled did
-- not switch; a silent one is suspected where its handset gives no explanation,
-- and classes above 6 say that the handset cannot tell.
CREATE VIEW kinds_of AS
SELECT msisdn,
  CASE state WHEN 7 THEN true WHEN 6 THEN state_before NOT IN (4, 5)
    ELSE NOT called AND CASE WHEN silent_class <= 6 THEN silent_class = 6 END END AS k1,
  CASE WHEN brand_now NOT BETWEEN 1 AND 3 OR brand_before NOT BETWEEN 1 AND 3 THEN false
    ELSE brand_now < brand_before END AS k2,
  tier(b) < tier(a) AND 100 * (a - b)::HUGEINT >= $arpu_drop_pct * a::HUGEINT AS k3
FROM compared;

CREATE VIEW kinds AS
SELECT msisdn, bits([k1, k2, k3]) AS kind, bits([k1 IS NULL, k2 IS NULL, k3 IS NULL]) AS kind_unknown
FROM kinds_of;
