// SPDX-License-Identifier: MIT
//
// Reads a file and finds its loader. The kind of a file is told by its bytes, or by its name for modules, as `kexec -l` probes its
// file types.
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { KjumpError } from '../../shared/errors.ts';
import { isBootSector, loadBootSector } from './boot-sector.ts';
import { isElf, loadElf32 } from './elf32.ts';
import { loadFlat } from './flat.ts';
import { type LoadedModule, loadMultiboot } from './multiboot.ts';
import { findMultibootHeader } from './multiboot-header.ts';
import type { LoadOptions, ModuleOption, Program } from './program.ts';
import { isRom, loadRom } from './rom.ts';
import { loadTypeScript } from './typescript.ts';

const MODULES = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/** Reads and probes a file, the most telling mark first. Throws `NO_SUCH_FILE`, `NOT_A_KERNEL`, `BAD_OPTION`. */
export async function loadProgram(file: string | URL, options: LoadOptions): Promise<Program> {
  const path = resolve(pathOf(file));
  const bytes = await readProgram(path);
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
  const isModule = MODULES.has(extname(path));
  const header = isModule ? null : findMultibootHeader(bytes);
  if (header !== null) return loadMultiboot(bytes, name, header, options, await readModules(options.modules ?? []));
  refuseMultibootOptions(name, options);
  if (isModule) return loadTypeScript(pathToFileURL(path).href, name, options);
  if (isElf(bytes)) return loadElf32(bytes, name, options);
  if (options.at === undefined && isRom(bytes)) return loadRom(bytes, name, options);
  if (options.at === undefined && isBootSector(bytes)) return loadBootSector(bytes, name, options);
  return loadFlat(bytes, name, options);
}

async function readModules(modules: readonly ModuleOption[]): Promise<LoadedModule[]> {
  return Promise.all(
    modules.map(async ({ file, cmdline = '' }) => ({ bytes: await readProgram(resolve(pathOf(file))), cmdline })),
  );
}

function refuseMultibootOptions(name: string, { cmdline, modules = [] }: LoadOptions): void {
  if (cmdline === undefined && modules.length === 0) return;
  throw new KjumpError('BAD_OPTION', `${name} takes no ${cmdline === undefined ? 'modules' : 'command line'}`, {
    why: 'it has no multiboot header in its first 8 KiB',
    fix: 'leave out cmdline and modules, or give a multiboot kernel',
  });
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
      fix: 'give the path of a kernel: a module, an ELF32 file, a boot sector, a ROM, or a flat binary with an address',
      cause,
    });
  }
}
