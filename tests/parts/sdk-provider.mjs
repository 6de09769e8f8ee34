// What an MCP client keeps for its OAuth login, for both official SDKs. The user's part is done by the unattended
// browser as soon as the SDK asks for it, so `callback` holds the answer when connect() has thrown UnauthorizedError.

import crypto from 'node:crypto';
import { Browser } from './browser.mjs';

export class TestOAuthProvider {
  constructor({ clientMetadataUrl, redirectUrl = 'http://127.0.0.1:6274/callback', browser = new Browser() }) {
    this.clientMetadataUrl = clientMetadataUrl;
    this.redirectUrl = redirectUrl;
    this.browser = browser;
    this.logins = 0;
    this.saved = {};
  }

  get clientMetadata() {
    return { client_name: 'Test client', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none' };
  }

  state() { return (this.sentState = crypto.randomUUID()); }

  clientInformation() { return this.saved.client; }
  saveClientInformation(client) { this.saved.client = client; }

  tokens() { return this.saved.tokens; }
  saveTokens(tokens) { this.saved.tokens = tokens; }

  saveCodeVerifier(verifier) { this.saved.verifier = verifier; }
  codeVerifier() { return this.saved.verifier; }

  saveDiscoveryState(state) { this.saved.discovery = state; }
  discoveryState() { return this.saved.discovery; }

  async redirectToAuthorization(url) {
    this.logins += 1;
    this.authorizationUrl = url;
    this.callback = new URL(await this.browser.login(url.href, this.redirectUrl));
    if (this.callback.searchParams.get('state') !== this.sentState) throw new Error('the state came back changed');
  }
}
