// SPDX-License-Identifier: MIT
//
// Reads a file and finds its loader. The kind of a file is told by its bytes, or by its name for modules, as `kexec -l` probes its
// file types.
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { KjumpError } from '../../shared/errors.ts';
import { loadElf32 } from './elf32.ts';
import { loadFlat } from './flat.ts';
import type { LoadOptions, Program } from './program.ts';
import { loadTypeScript } from './typescript.ts';

const MODULES = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/** Reads and probes a file. Throws `NO_SUCH_FILE`, `NOT_A_KERNEL`. */
export async function loadProgram(file: string | URL, options: LoadOptions): Promise<Program> {
  const path = resolve(pathOf(file));
  const bytes = await readProgram(path);
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
  if (MODULES.has(extname(path))) return loadTypeScript(pathToFileURL(path).href, name, options);
  if (bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46) {
    return loadElf32(bytes, name, options);
  }
  return loadFlat(bytes, name, options);
}

function pathOf(file: string | URL): string {
  if (typeof file === 'string' && file !== '' && !file.startsWith('file:')) return file;
  try {
    return fileURLToPath(file);
  } catch (cause) {
    throw new KjumpError('NO_SUCH_FILE', `${String(file) || 'an empty text'} does not name a file`, {
      why: (cause as Error).message,
      fix: 'give a path, or a URL that begins with file:',
      cause,
    });
  }
}

async function readProgram(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new KjumpError('NO_SUCH_FILE', `${path} cannot be read`, {
      why: (cause as Error).message,
      fix: 'give the path of a kernel: a module, an ELF32 file, or a flat binary with an address',
      cause,
    });
  }
}
