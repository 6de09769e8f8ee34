// From none to three customers, as docs/hosting.md has it: three sites of one daemon, whose programs run as three Unix users.
//   tests/node tests/deb/sites.mjs apache|lighttpd      (as root, under systemd, on a machine that may be changed)

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import { closing, documented, run, setUp, webServers } from './admin.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { accepts, until } from '../parts/util.mjs';

const CUSTOMERS = { acme: '1example23456789', bloom: '2example23456789', cargo: '3example23456789' };
const NAMES = Object.keys(CUSTOMERS);
const SCRIPT = '/usr/share/mcp-authd/hosting/add-customer';
const kind = process.argv[2];

// The customer's own: a tool that says who it is and what it sees of itself and of the others, and a file with a secret.
function writeTool(name) {
  const dir = `/srv/${name}/tools.d`;
  const put = (file, text, mode) => {
    fs.writeFileSync(file, text);
    fs.chmodSync(file, mode);
    run('chown', `${name}:mcp-authd`, file);
  };
  put(`${dir}/secret`, `secret of ${name}\n`, 0o640);
  const secrets = NAMES.map((each) => `/srv/${each}/tools.d/secret`).join(' ');
  put(`${dir}/look.sh`, `#!/bin/sh\nid -un\ncat ${secrets} 2>&1\nls /etc/mcp-authd/sites.d /var/lib/mcp-authd 2>&1\nexit 0\n`, 0o750);
  put(`${dir}/look-${name}.json`, JSON.stringify({ name: `look-${name}`, description: 'Says what it sees.', inputSchema: { type: 'object' },
    run: { command: ['./look.sh'] } }), 0o640);
}

function takeAway() {
  spawnSync('systemctl', ['stop', 'mcp-authd.service', 'mcp-authd.socket']);
  spawnSync('systemctl', ['disable', '--quiet', 'mcp-authd.service', 'mcp-authd.socket']);
  for (const name of NAMES) {
    spawnSync('systemctl', ['disable', '--now', `mcp-authd-runner@${name}.socket`, `mcp-authd-runner@${name}.service`]);
    fs.rmSync(`/etc/mcp-authd/sites.d/${name}.conf`, { force: true });
    fs.rmSync(`/srv/${name}`, { recursive: true, force: true });
    spawnSync('deluser', ['--quiet', '--system', name]);
  }
  fs.rmSync('/var/lib/mcp-authd/sites', { recursive: true, force: true });
  spawnSync('a2disconf', ['mcp-authd-sites']);
  run('sed', '-i', 's/mcp-authd-sites/mcp-authd-routes/', '/etc/lighttpd/conf-available/50-mcp-authd.conf');
}

await closing(async (closers) => {
  const host = await setUp(closers, { MCP_SERVER_URI: '' }, NAMES.map((name) => `/${name}/callback`));
  closers.push(async () => takeAway());
  // The pool of the document is AWS's; here another one answers.
  const { issuer, authorizeUrl, tokenUrl, jwksUrl } = host.cognito;
  const pool = `COGNITO_ISSUER=${issuer} COGNITO_AUTHORIZE_URL=${authorizeUrl} COGNITO_TOKEN_URL=${tokenUrl} COGNITO_JWKS_URL=${jwksUrl}`;
  const here = (command) => (/site add|add-customer/.test(command) ? `${command.replaceAll('https://mcp.example.com', host.issuer)} ${pool}` : command);
  const web = await webServers[kind](host.port, () => documented('hosting.md', `web-${kind}`));
  closers.push(() => web.stop());
  await web.ready(`accepting on ${host.port}`, () => accepts({ port: host.port, host: '127.0.0.1' }));

  documented('hosting.md', 'first-customer', here);
  documented('hosting.md', 'more-customers', here);
  assert.deepEqual(JSON.parse(run('mcp-authd', 'site', 'list', '--json')).map((each) => each.name), NAMES);

  // What is wrong leaves no site behind, and what is there as it was: an address that another one has, a user of the system's own, and a
  // customer who is there already.
  for (const [name, uri] of [['other', `${host.issuer}/acme/mcp`], ['daemon', `${host.issuer}/daemon/mcp`], ['bloom', `${host.issuer}/new/mcp`]]) {
    const wrong = spawnSync(SCRIPT, [name, uri, 'eu-west-1_AbCdEfGhI', '4example23456789', name, ...pool.split(' ')], { encoding: 'utf8' });
    assert.equal(wrong.status, 2, wrong.stderr);
    assert.match(wrong.stderr, /already/);
    assert.equal(fs.existsSync(`/etc/mcp-authd/sites.d/${name}.conf`), name === 'bloom');
  }
  assert.equal(run('systemctl', 'is-active', 'mcp-authd-runner@bloom.socket').trim(), 'active');
  assert.notEqual(spawnSync('systemctl', ['is-active', '--quiet', 'mcp-authd-runner@other.socket']).status, 0);
  spawnSync('deluser', ['--quiet', '--system', 'other']);
  fs.rmSync('/srv/other', { recursive: true, force: true });

  NAMES.forEach(writeTool);
  for (const name of NAMES) {
    const site = { ...host, issuer: `${host.issuer}/${name}`, mcpUrl: `${host.issuer}/${name}/mcp` };
    const token = await host.cognito.accessToken({ client_id: CUSTOMERS[name] });
    const list = async () => (await modern(site, token, 'tools/list')).body?.result?.tools.map((tool) => tool.name).filter((each) => each.startsWith('look')) ?? [];
    await until(`the tool of ${name}`, async () => (await list()).length > 0);
    assert.deepEqual(await list(), [`look-${name}`]);
    const [user, ...seen] = (await callTool(site, token, `look-${name}`)).content[0].text.trim().split('\n');
    assert.equal(user, name);
    assert.deepEqual(seen.filter((line) => /^secret/.test(line)), [`secret of ${name}`], seen.join('\n'));
    for (const other of NAMES.filter((each) => each !== name)) assert.ok(seen.some((line) => line.includes(`/srv/${other}/`) && /denied|No such/.test(line)), seen.join('\n'));
    assert.ok(seen.some((line) => /\/var\/lib\/mcp-authd.*(denied|No such)/.test(line)), seen.join('\n'));
    for (const other of NAMES.filter((each) => each !== name)) {
      assert.equal((await modern({ mcpUrl: `${host.issuer}/${other}/mcp` }, token, 'tools/list')).status, 401);
    }
  }
  // A whole login at the one whose app client is the local Cognito's.
  const site = { ...host, issuer: `${host.issuer}/acme`, mcpUrl: `${host.issuer}/acme/mcp` };
  const granted = await tokens(site);
  assert.equal((await callTool(site, granted.access_token, 'look-acme')).content[0].text.split('\n')[0], 'acme');
  console.log(`${kind}: three customers, each with tools of its own that run as ${NAMES.join(', ')} and see their own files only`);
});
