// Builds the trainer and decision server (a process of its own, never in the addon) and puts it where the package looks for it.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
execFileSync('cargo', ['build', '--release', '--locked', '-p', 'tiresias-train'], { cwd: root, stdio: 'inherit' });
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const name = process.platform === 'win32' ? 'tiresias-train.exe' : 'tiresias-train';
const bin = join(root, 'native', 'bin');
mkdirSync(bin, { recursive: true });
// Copy beside, then rename: a running trainer keeps its old file instead of blocking the build.
copyFileSync(join(target, 'release', name), join(bin, `${name}.new`));
renameSync(join(bin, `${name}.new`), join(bin, name));
