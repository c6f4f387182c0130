// One version everywhere, and every format of the sources in the table of docs/versions.md.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PLATFORMS } from '../src/platform.js';
import { root } from './support.js';

const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const manifest = JSON.parse(text('package.json')) as { version: string; scripts: Record<string, string>; repository: { url: string }; napi: { targets: string[] } };

/** All files under a folder whose names end so. */
function files(folder: string, ending: string): string[] {
  return (readdirSync(join(root, folder), { recursive: true }) as string[]).filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

it('the package, the crates, the Python backend, the citation and the changelog have one version', () => {
  const found = {
    crates: /\[workspace\.package\]\nversion = "(.*)"/.exec(text('Cargo.toml')),
    python: /^version = "(.*)"/m.exec(text('python/tiresias_peft/pyproject.toml')),
    citation: /^version: (.*)$/m.exec(text('CITATION.cff')),
    changelog: /^## (\S+)/m.exec(text('CHANGELOG.md')),
  };
  for (const [where, match] of Object.entries(found)) expect([where, match?.[1]]).toEqual([where, manifest.version]);
});

it('every format that is written has a line in docs/versions.md, and every line is of one that is', () => {
  const rows = [...text('docs/versions.md').matchAll(/^\| `(tiresias\.[a-z-]+)` \|[^|]*\| (\d+) \|/gm)].map(([, name, written]) => `${name}/${written}`);
  const sources = [...files('src', '.ts'), ...files('crates', '.rs'), ...files('native/src', '.rs')].map((file) => text(file)).join('\n');
  const written = new Set([...sources.matchAll(/(?:schema(?:: z\.literal\(|: )|SCHEMA\b.* = )['"](tiresias\.[a-z-]+\/\d+)['"]/g)].map((match) => match[1]!));
  expect(written.size).toBeGreaterThan(10);
  expect(rows.toSorted()).toEqual([...written].toSorted());
});

it('the contract of processes has the version that docs/contracts.md states', () => {
  const stated = /Version of this contract: \*\*(\d+)\*\*/.exec(text('docs/contracts.md'))![1];
  expect(text('docs/versions.md')).toContain(`| trainer and decider, between the package and a backend's process | ${stated} |`);
});

describe('workflows', () => {
  const workflows = files('.github/workflows', '.yml').map((file) => [file, text(file)] as const);

  it.each(workflows)('%s runs scripts that there are', (_, workflow) => {
    expect(() => parse(workflow) as unknown).not.toThrow();
    for (const [, name] of workflow.matchAll(/npm run (?:-s |--silent )?([\w:]+)/g)) expect(Object.keys(manifest.scripts)).toContain(name);
    for (const [, path] of workflow.matchAll(/(?:node|vitest run) ((?:scripts|test)\/\S+)/g)) expect(() => text(path!)).not.toThrow();
  });

  it('a release builds every platform that the package asks for', () => {
    const { jobs } = parse(text('.github/workflows/release.yml')) as { jobs: { build: { strategy: { matrix: { include: { platform: string }[] } } } } };
    expect(jobs.build.strategy.matrix.include.map(({ platform }) => platform).toSorted()).toEqual(PLATFORMS.toSorted());
    expect(manifest.napi.targets).toHaveLength(PLATFORMS.length);
  });

  it('and names the platforms’ licences for each target', () => {
    for (const target of manifest.napi.targets) for (const file of ['about.toml', 'deny.toml']) expect([file, text(file).includes(`"${target}"`)]).toEqual([file, true]);
  });
});

it('every document that names the repository names the same one', () => {
  const address = manifest.repository.url.replace(/^git\+|\.git$/g, '');
  const pages = ['CITATION.cff', 'SECURITY.md', 'CONTRIBUTING.md', ...files('.github', '.yml'), ...files('.github', '.md')];
  for (const page of pages) for (const [found] of text(page).matchAll(/https:\/\/github\.com\/tiresias[\w-]*\/[\w-]+/g)) expect([page, found]).toEqual([page, address]);
});
