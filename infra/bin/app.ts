// The CDK app. Settings come from the context: cdk deploy -c stage=prod -c domain=mcp.example.com …
// (lib/settings.ts lists them).
import { App } from 'aws-cdk-lib';
import { build } from '../lib/app.ts';

build(new App());
