/** A threshold rule in Aodh's words. */

import type { ThresholdRule } from "./alarm.ts";

/** A threshold rule as people and programs see it. */
export interface ThresholdRuleView {
  readonly meter_name: string;
  readonly statistic: string;
  readonly per: string;
  readonly period: number;
  readonly evaluation_periods: number;
  readonly datapoints_to_alarm: number;
  readonly comparison_operator: string;
  readonly threshold: number;
  readonly clear_threshold: number;
  readonly treat_missing_data: string;
  readonly exclude_outliers: boolean;
}

/** The rule as it is shown. */
export function thresholdView(rule: ThresholdRule): ThresholdRuleView {
  return {
    meter_name: rule.meterName,
    statistic: rule.statistic,
    per: rule.per,
    period: rule.periodS,
    evaluation_periods: rule.evaluationPeriods,
    datapoints_to_alarm: rule.datapointsToAlarm,
    comparison_operator: rule.comparison,
    threshold: rule.threshold,
    clear_threshold: rule.clearThreshold,
    treat_missing_data: rule.treatMissingData,
    exclude_outliers: rule.excludeOutliers,
  };
}
