// A dataset of 10,000 shards in 100 parts whose processes are killed: `npm run bench:parts [-- --shards N] [--of N] [--kill P] [--damage P] [--seed N] [--json]`.
//
// Markers, locks, starting again and assembling are the real ones; only the maker of a shard is a stand-in that writes a few bytes, through the seam
// that the addon goes through (`makePart`). With probability --kill a shard is its process's last: half of its file is written, or all of it, or it has its
// name but no marker yet, each as often as another; what a kill leaves behind (a lock of a dead process, a folder of half a file) is left behind. With
// probability --damage a finished shard is cut short later. The same parts are started again until none is killed, assembling names what is damaged, and its
// parts run once more. Fails unless every shard is there, right, and none was made again that was whole and marked.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { assembleDataset, parseExperiment, verifyDataset } from '../dist/index.js';
import { makePart, markerPath } from '../dist/dataset/part.js';
import { partFolder } from '../dist/parts.js';
import { datasetConfig } from '../dist/stages/dataset.js';

const { values: options } = parseArgs({
  options: {
    shards: { type: 'string', default: '10000' },
    of: { type: 'string', default: '100' },
    kill: { type: 'string', default: '0.02' },
    damage: { type: 'string', default: '0.001' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [shards, of, kill, damage, seed] = [options.shards, options.of, options.kill, options.damage, options.seed].map(Number);

/** Numbers between 0 and 1, by the seed alone. */
let draws = 0;
const random = () => createHash('sha256').update(`${seed}/${draws++}`).digest().readUInt32BE() / 2 ** 32;

const folder = mkdtempSync(join(tmpdir(), 'tiresias-parts-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const config = datasetConfig(parseExperiment({ schema: 'tiresias.experiment/1', name: 'parts', dataset: { examples: shards, shardExamples: 1, examplesPerTask: 1 } }), 'mdp');
const tokenizer = { name: 'none', sha256: '0'.repeat(64) };
const dead = spawnSync(process.execPath, ['-e', '']).pid;

const textOf = (shard) => `${shard}\n`.repeat(10);
const hash = (text) => createHash('sha256').update(text).digest('hex');
const named = (shard) => join(folder, 'data', `shard-${String(shard).padStart(5, '0')}.parquet`);
const none = { count: 1, mean: 0, deviation: 0, min: 0, max: 0 };

class Killed extends Error {}
const count = { launches: 0, kills: { half: 0, whole: 0, named: 0 }, made: 0, damaged: 0, twice: 0 };

/** Stands in for the addon; throws where a kill would end the process. */
const maker = (part) => async (spec, _, path) => {
  const shard = spec.firstTask;
  const [text, place] = [textOf(shard), named(shard)];
  if (existsSync(markerPath(folder, part, place)) && existsSync(place) && readFileSync(place, 'utf8') === text) count.twice++;
  if (random() < kill) {
    const how = ['half', 'whole', 'named'][Math.floor(3 * random())];
    count.kills[how]++;
    writeFileSync(how === 'named' ? place : path, how === 'half' ? text.slice(0, text.length / 2) : text);
    throw new Killed(how);
  }
  writeFileSync(path, text);
  count.made++;
  const [bytes, sha] = [text.length, hash(text)];
  return { path, examples: 1, tasks: 1, tokens: 0, labels: 0, bytes, sha256: sha, tokenizerSha: tokenizer.sha256, templateSha: '0'.repeat(64), seconds: 0, regretBounds: none, supportReturns: none, queryReturns: none, labelCounts: [0] };
};

/** Starts a part until it ends by itself; returns how often. */
async function finish(part) {
  for (let launches = 1; ; launches++) {
    count.launches++;
    try {
      await makePart(config, folder, part, { tokenizer, threads: 1 }, maker(part));
      return launches;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      const own = partFolder(folder, part);
      writeFileSync(`${own}.lock`, JSON.stringify({ pid: dead, host: hostname(), began: '1' }));
      mkdirSync(join(own, 'work-000000'), { recursive: true });
      writeFileSync(join(own, 'work-000000', 'shard-00000.parquet.tmp'), 'half');
    }
  }
}

/** Eight parts at once, as if on as many machines. */
async function finishAll(parts) {
  const waiting = [...parts];
  const launches = [];
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) launches.push(await finish(part));
  }));
  return launches.sort((a, b) => a - b);
}

const began = performance.now();
const launches = await finishAll(Array.from({ length: of }, (_, index) => ({ index, of })));
for (let shard = 0; shard < shards; shard++) {
  if (random() >= damage) continue;
  truncateSync(named(shard), 1);
  count.damaged++;
}
const [found, mended] = await assembleDataset([folder], folder).then(() => [0, []], async (error) => {
  const { problems } = error.details;
  const parts = [...new Set(problems.map((problem) => Number(/part (\d+) of/.exec(problem)[1])))].map((index) => ({ index, of }));
  return [problems.length, await finishAll(parts)];
});
const manifest = existsSync(join(folder, 'manifest.json')) ? await verifyDataset(folder) : await assembleDataset([folder], folder);
const right = manifest.shards.filter(({ sha256 }, shard) => sha256 === hash(textOf(shard)) && readFileSync(named(shard), 'utf8') === textOf(shard)).length;
const kills = Object.values(count.kills).reduce((sum, n) => sum + n, 0);
const result = {
  about: { command: `node bench/parts.mjs --shards ${shards} --of ${of} --kill ${kill} --damage ${damage} --seed ${seed}`, date: new Date().toISOString().slice(0, 10) },
  shards, parts: of, launches: count.launches, kills: count.kills, killsExpected: (shards * kill) / (1 - kill), launchesOfAPart: { median: launches[launches.length >> 1], most: launches.at(-1) },
  damaged: count.damaged, damagedNamed: found, partsRunAgainForDamage: mended.length, made: count.made, right, lost: shards - right, madeTwice: count.twice, seconds: Math.round((performance.now() - began) / 1000),
};
if (options.json) console.log(JSON.stringify(result, null, 2));
else {
  console.log(`${shards} shards in ${of} parts, a shard its process's last with probability ${kill}
launches         ${result.launches}: ${of} parts, ${kills} kills (${count.kills.half} at half a file, ${count.kills.whole} at a whole one without a name, ${count.kills.named} at a named one without a marker; ${result.killsExpected.toFixed(0)} expected), ${mended.length} parts for damage
of a part        ${result.launchesOfAPart.median} launches in the median, ${result.launchesOfAPart.most} at most
damaged          ${count.damaged}, named by assemble ${found}
made             ${count.made} files: ${shards} and ${count.made - shards} for damage
right            ${right} of ${shards}; lost ${result.lost}; made again though whole and marked ${count.twice}
time             ${result.seconds} s`);
}
if (result.lost > 0 || count.twice > 0 || found !== count.damaged || count.launches < of + kills) process.exitCode = 1;
