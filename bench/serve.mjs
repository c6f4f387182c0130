// How many decisions a second does the service give? `npm run bench:serve -- [--seconds N] [--rounds N] [--connections N] [--json] [--write]`.
//
// Servers run in processes of their own and autocannon asks them over the loopback, one after the other; the bare fastify ping beside them
// says what the machine, the load generator and HTTP leave. A round asks all of them; figures are medians of the rounds, and shares of ping
// medians of the rounds' shares: by the clock, and by the time that the servers had of the processors, which other processes of a shared machine
// move less. Linux only. `--write` keeps the document in bench/results/serve.json.
//
// `--peers FOLDER` sets decisions by α-vectors beside Python services of the same vectors and beliefs (peers/serve_alpha.py), whose packages are in the virtual
// environment FOLDER (`pip install -r bench/peers/requirements-serve.txt`), and beside nothing else; `--write` then keeps bench/results/serve-peers.json.
import autocannon from 'autocannon';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { classicModel, drawTask, savePolicy, solveSync, version } from '../dist/index.js';

const text = (value) => ({ type: 'string', default: value });
const { values: options } = parseArgs({ options: { seconds: text('3'), rounds: text('3'), connections: text('16'), json: { type: 'boolean', default: false }, write: { type: 'boolean', default: false }, peers: { type: 'string' } } });
const [seconds, rounds, connections] = [options.seconds, options.rounds, options.connections].map(Number);
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tiresias-bench-'));
const say = (line) => process.stderr.write(`${line}\n`);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** A point-based policy of the hallway with about 1,100 vectors: the gap that leaves as many. */
function hallway() {
  const model = classicModel('maze:hallway');
  let best;
  for (let gap = 0.4; gap > 0.15; gap *= 0.93) {
    const solution = solveSync(model, { solver: 'point', gap, threads: 1 });
    if (!best || Math.abs(solution.size - 1100) < Math.abs(best.size - 1100)) best = solution;
    if (solution.size > 1500) break;
  }
  return best;
}

const policies = {
  tiger: solveSync(classicModel('tiger'), { gap: 0.001 }),
  energy: solveSync(drawTask('energy', { index: 0, regime: 'apomdp', horizon: 10 }).model, { gap: 0.2 }),
  hallway: hallway(),
};
const files = [];
for (const [name, solution] of Object.entries(policies)) {
  files.push(join(folder, `${name}.policy`));
  await savePolicy(files.at(-1), solution);
}

const children = [];
// Also when something goes wrong: they would keep on listening.
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
const pids = new Map();
/** Seconds of the processors that the server at an address has had (Linux): the clock of a shared machine also counts what others had. */
function processorSeconds(address) {
  const fields = readFileSync(`/proc/${pids.get(address)}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Starts a process that prints its address as JSON. */
async function start(args, program = process.execPath) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const line = await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
  const { address } = JSON.parse(line);
  pids.set(address, child.pid);
  return address;
}

const PING = `import fastify from ${JSON.stringify(import.meta.resolve('fastify'))};
const app = fastify(); app.get('/ping', async () => ({ ok: true })); await app.listen({ port: 0, host: '127.0.0.1' }); console.log(JSON.stringify({ address: app.listeningOrigin }));`;
const ping = await start(['--input-type=module', '-e', PING]);
const serve = (...more) => start([cli, 'serve', ...files, '--json', '--port', '0', '--log-level', 'warn', ...more]);
const direct = await serve('--no-lookahead');
const servers = options.peers ? [['no lookahead', direct]] : [['memory', await serve()], ['no lookahead', direct], ['sqlite', await serve('--store', `sqlite:${join(folder, 's.db')}`)]];

const json = { 'content-type': 'application/json' };
async function post(origin, path, body) {
  const answer = await fetch(origin + path, { method: 'POST', headers: json, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

/** Sessions at beliefs that a few observations lead to, by name. */
const SESSIONS = 200;
async function sessions(origin, policy) {
  const model = policies[policy].model();
  const ids = [];
  for (let i = 0; i < SESSIONS; i++) {
    const { id } = await post(origin, `/policies/${policy}/sessions`, { id: `${policy}-${i}` });
    let belief = model.start();
    for (let step = 0; step < i % 6; step++) {
      const action = (i + step) % model.actions;
      const successors = model.successors(belief, action);
      const { observation, belief: next } = successors[(i + 3 * step) % successors.length];
      // In a cloud the server may go by another model: what matters is that there are many beliefs.
      const answer = await fetch(`${origin}/sessions/${id}/observe`, { method: 'POST', headers: json, body: JSON.stringify({ action, observation }) });
      if (!answer.ok) break;
      belief = next;
    }
    ids.push(id);
  }
  return ids;
}

/** Asks for some seconds, as fast as it is answered or at a rate; answers a second, and the 99th percentile in milliseconds. */
async function load(url, requests, duration = seconds, each = 1, overallRate = undefined) {
  // A batch takes every core for long: two at a time keep them busy, and more would still be at work when the next row is measured.
  const before = processorSeconds(url);
  const result = await autocannon({ url, connections: each === 1 ? connections : 2, duration, requests, ...(overallRate && { overallRate }) });
  const processor = processorSeconds(url) - before;
  await sleep(each === 1 ? 200 : 1500);
  if (result.errors + result.non2xx > 0) throw new Error(`${url}: ${result.errors} errors, ${result.non2xx} answers that are no 2xx`);
  return { rate: result.requests.total / result.duration, p99: result.latency.p99, processor: (processor / result.requests.total) * 1e6 };
}

/** Python services of the same policy and beliefs; says how many of the sessions they decide as ours does. */
async function peers(policy, ids) {
  const vectors = join(folder, `${policy}.alpha`);
  const known = join(folder, `${policy}.json`);
  writeFileSync(vectors, policies[policy].alphaPolicy().write('alpha'));
  const model = policies[policy].model();
  const get = async (origin, path) => (await fetch(origin + path)).json();
  const beliefs = {};
  for (const id of ids) {
    const { belief } = (await get(direct, `/sessions/${id}`)).state;
    beliefs[id] = Array.isArray(belief) ? belief : Array.from({ length: model.states }, (_, s) => belief.probabilities[belief.states.indexOf(s)] ?? 0);
  }
  writeFileSync(known, JSON.stringify({ actions: Array.from({ length: model.actions }, (_, a) => model.actionName(a)), beliefs }));
  const rows = [];
  for (const [name, decide] of [['NumPy, uvicorn', 'numpy'], ['ONNX Runtime, uvicorn', 'onnx']]) {
    const origin = await start([fileURLToPath(new URL('peers/serve_alpha.py', import.meta.url)), '--decide', decide, '--vectors', vectors, '--sessions', known], join(options.peers, 'bin', 'python'));
    let alike = 0;
    for (const id of ids) alike += (await get(origin, `/sessions/${id}/decision`)).decision.action === (await get(direct, `/sessions/${id}/decision`)).decision.action;
    rows.push({ name: `${policy}, decide (${name})`, policy, origin, requests: gets(ids), each: 1, alike: alike / ids.length });
  }
  return rows;
}

const gets = (ids) => ids.map((id) => ({ method: 'GET', path: `/sessions/${id}/decision` }));
const observes = (ids, action, observation) => ids.map((id) => ({ method: 'POST', path: `/sessions/${id}/observe`, headers: json, body: JSON.stringify({ action, observation, decide: true }) }));
const ROWS = [];
for (const [server, origin] of servers) {
  for (const policy of options.peers ? ['tiger', 'hallway'] : Object.keys(policies)) {
    if (server === 'no lookahead' && policy !== 'hallway' && !options.peers) continue;
    const ids = await sessions(origin, policy);
    ROWS.push({ name: `${policy}, decide (${server})`, policy, origin, requests: gets(ids), each: 1 });
    if (options.peers) {
      ROWS.push(...(await peers(policy, ids)));
      continue;
    }
    if (policy === 'hallway' && server !== 'sqlite') ROWS.push({ name: `${policy}, decide ${SESSIONS} at once (${server})`, policy, origin, requests: [{ method: 'POST', path: `/policies/${policy}/decisions`, headers: json, body: JSON.stringify({ sessions: ids }) }], each: SESSIONS });
    if (policy === 'tiger') ROWS.push({ name: `${policy}, observe and decide (${server})`, policy, origin, requests: observes(ids, 'listen', 'hear-left'), each: 1 });
  }
}

const measured = ROWS.map(() => []);
const pings = [];
// As many requests in the generator's list as the others have.
const pingRequests = Array.from({ length: SESSIONS }, (_, i) => ({ method: 'GET', path: `/ping?${i}` }));
await load(ping, pingRequests, 1);
for (const { origin, requests, each } of ROWS) await load(origin, requests, 1, each);
for (let round = 0; round < rounds; round++) {
  const bare = await load(ping, pingRequests);
  pings.push(bare);
  say(`round ${round + 1}: ping ${bare.rate.toFixed(0)} a second`);
  for (const [i, { name, origin, requests, each }] of ROWS.entries()) {
    const { rate, p99, processor } = await load(origin, requests, seconds, each);
    // At a given rate autocannon counts from when a request was due, so that waiting behind a slow answer is not left out.
    const half = await load(origin, requests, seconds, each, Math.max(1, Math.round(rate / 2)));
    measured[i].push({ decisions: rate * each, p99, p99Half: half.p99, share: rate / bare.rate, processor, processorShare: bare.processor / processor });
    say(`  ${name}: ${(rate * each).toFixed(0)} decisions a second, ${((100 * rate) / bare.rate).toFixed(0)} % of ping's answers`);
  }
}
for (const child of children) child.kill('SIGKILL');
rmSync(folder, { recursive: true, force: true });

const figure = {
  command: `npm run bench:serve -- ${process.argv.slice(2).join(' ')}`.trim(), date: new Date().toISOString().slice(0, 10), version, node: process.version,
  machine: { cpu: cpus()[0].model, cores: cpus().length, memoryBytes: totalmem(), load: loadavg()[0] }, seconds, rounds, connections,
  policies: Object.fromEntries(Object.entries(policies).map(([name, solution]) => [name, { states: solution.model().states, actions: solution.model().actions, observations: solution.model().observations, models: solution.model().models, size: solution.size, solver: solution.solver }])),
  ping: { answersPerSecond: median(pings.map(({ rate }) => rate)), p99Milliseconds: median(pings.map(({ p99 }) => p99)), processorMicrosecondsAnAnswer: median(pings.map(({ processor }) => processor)) },
  rows: ROWS.map(({ name, each, alike }, i) => ({ name, ...(alike !== undefined && { shareOfActionsAlike: alike }), decisionsAnAnswer: each, decisionsPerSecond: median(measured[i].map(({ decisions }) => decisions)), shareOfPing: median(measured[i].map(({ share }) => share)), shareOfPingByProcessor: median(measured[i].map(({ processorShare }) => processorShare)), processorMicrosecondsAnAnswer: median(measured[i].map(({ processor }) => processor)), p99Milliseconds: median(measured[i].map(({ p99 }) => p99)), p99MillisecondsAtHalfLoad: median(measured[i].map(({ p99Half }) => p99Half)) })),
};
if (options.write) {
  const results = fileURLToPath(new URL(`results/serve${options.peers ? '-peers' : ''}.json`, import.meta.url));
  say(`${existsSync(results) ? 'replaced' : 'wrote'} ${results}`);
  writeFileSync(results, `${JSON.stringify(figure, null, 2)}\n`);
}
if (options.json) console.log(JSON.stringify(figure, null, 2));
else {
  console.log(`ping: ${figure.ping.answersPerSecond.toFixed(0)} a second`);
  for (const row of figure.rows) console.log(`${row.name}: ${row.decisionsPerSecond.toFixed(0)} decisions a second, ${(100 * row.shareOfPing).toFixed(0)} % of ping's answers (${(100 * row.shareOfPingByProcessor).toFixed(0)} % by the processor's time), p99 ${row.p99Milliseconds} ms, at half of this rate ${row.p99MillisecondsAtHalfLoad} ms`);
}
