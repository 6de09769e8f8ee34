// The official SDK v2 (protocol version 2026-07-28, no handshake): discovery, client id document, login through the
// consent page and Cognito's login form, tool calls, refresh, another call.

import { after, before } from 'node:test';
import { sdkV2Logins } from '../parts/sdk-v2-logins.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite({ host: 'localhost' }); });
after(() => site?.close());

sdkV2Logins(() => site);
