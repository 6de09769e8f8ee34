// Puts the stack into an app, with cdk-nag's checks: a finding that nobody explained fails the synthesis.
import { type App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { acknowledge } from './nag.ts';
import { settingsFrom } from './settings.ts';
import { AuthenticatedMcpStack } from './stack.ts';

export function build(app: App): AuthenticatedMcpStack {
  const settings = settingsFrom((key) => app.node.tryGetContext(key));
  const stack = new AuthenticatedMcpStack(app, 'AuthenticatedMcpStack', settings);

  Tags.of(app).add('application', 'mcp-authd');
  Tags.of(app).add('stage', settings.stage);
  acknowledge(stack, settings.stage);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return stack;
}
