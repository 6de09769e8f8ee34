// The metrics that the program writes (src/metrics/metrics.c), as CloudWatch sees them. A test compares both.
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { Group } from './endpoints.ts';

export const NAMESPACE = 'mcp-authd';
export const PERIOD = Duration.minutes(5);

export const own = (metricName: string, statistic: string, dimensionsMap: Record<string, string> = {}): Metric =>
  new Metric({ namespace: NAMESPACE, metricName, statistic, dimensionsMap, period: PERIOD });

export const ofGroup = (group: Group, metricName: string, statistic = 'Sum'): Metric =>
  own(metricName, statistic, { Endpoint: group });

export const DYNAMODB_OPERATIONS = ['PutItem', 'UpdateItem', 'GetItem', 'DeleteItem'] as const;

export const dynamodb = (metricName: string, dimensionsMap: Record<string, string>): Metric =>
  new Metric({ namespace: 'AWS/DynamoDB', metricName, statistic: 'Sum', dimensionsMap, period: PERIOD });
