// The official SDK v2 (revision 2026-07-28, no handshake): discover, register by client-id document, log in through the
// consent page and Cognito's login form, call tools, refresh, call again.

import { after, before } from 'node:test';
import { sdkV2Logins } from '../parts/sdk-v2-logins.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite({ host: 'localhost' }); });
after(() => site?.close());

sdkV2Logins(() => site);
