// SPDX-License-Identifier: MIT
//
// Reads a file and finds its loader. The kind of a file is told by its bytes, or by its name for modules, as `kexec -l` probes its
// file types.
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { KjumpError } from '../../shared/errors.ts';
import { isBootSector, loadBootSector } from './boot-sector.ts';
import { loadBzImage } from './bzimage.ts';
import { isBzImage } from './bzimage-header.ts';
import { isElf, loadElf32 } from './elf32.ts';
import { loadFlat } from './flat.ts';
import { withMpTable } from './mp-table.ts';
import { type LoadedModule, loadMultiboot } from './multiboot.ts';
import { findMultibootHeader } from './multiboot-header.ts';
import type { Initrd, LoadOptions, ModuleOption, Program } from './program.ts';
import { isRom, loadRom } from './rom.ts';
import { loadTypeScript } from './typescript.ts';

const KERNEL_PATH =
  'give the path of a kernel: a module, a bzImage, an ELF32 file, a boot sector, a ROM, or a flat binary with an address';
const MODULES = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/** Reads and probes a file, the most telling mark first. Throws `NO_SUCH_FILE`, `NOT_A_KERNEL`, `BAD_OPTION`. */
export async function loadProgram(file: string | URL, options: LoadOptions): Promise<Program> {
  const path = resolve(pathOf(file));
  const bytes = await readProgram(path);
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.[a-z]\w*$/i, '');
  const isModule = MODULES.has(extname(path));
  if (!isModule && options.at === undefined && isBzImage(bytes)) {
    refuseMultibootOptions(
      name,
      options,
      'it is a bzImage',
      'give its command line with append and a RAM disk with initrd',
    );
    return withFirmware(loadBzImage(bytes, name, options, await readInitrd(options.initrd)), options);
  }
  refuseBzImageOptions(name, options);
  const header = isModule ? null : findMultibootHeader(bytes);
  if (header !== null) {
    const modules = await readModules(options.modules ?? []);
    return withFirmware(loadMultiboot(bytes, name, header, options, modules), options);
  }
  const noHeader = 'it has no multiboot header in its first 8 KiB';
  refuseMultibootOptions(name, options, noHeader, 'leave out cmdline and modules, or give a multiboot kernel');
  if (isModule) return loadTypeScript(pathToFileURL(path).href, name, options);
  if (isElf(bytes)) return loadElf32(bytes, name, options);
  if (options.at === undefined && isRom(bytes)) return loadRom(bytes, name, options);
  if (options.at === undefined && isBootSector(bytes)) {
    return withFirmware(loadBootSector(bytes, name, options), options);
  }
  return loadFlat(bytes, name, options);
}

/** Whoever is started as firmware starts it finds what firmware leaves in its ROM. */
function withFirmware(program: Program, { memoryStart = 0, memory = 0 }: LoadOptions): Program {
  return withMpTable(program, memoryStart, memory);
}

async function readModules(modules: readonly ModuleOption[]): Promise<LoadedModule[]> {
  return Promise.all(
    modules.map(async ({ file, cmdline = '' }) => ({ bytes: await readProgram(resolve(pathOf(file))), cmdline })),
  );
}

/** Null: there is none. */
async function readInitrd(initrd: Initrd | undefined): Promise<Uint8Array | null> {
  if (initrd === undefined || initrd instanceof Uint8Array) return initrd ?? null;
  return readProgram(resolve(pathOf(initrd)), 'give the path of the initial RAM disk');
}

function refuseMultibootOptions(name: string, options: LoadOptions, why: string, fix: string): void {
  const { cmdline, modules = [] } = options;
  if (cmdline === undefined && modules.length === 0) return;
  throw new KjumpError('BAD_OPTION', `${name} takes no ${cmdline === undefined ? 'modules' : 'command line'}`, {
    why,
    fix,
  });
}

function refuseBzImageOptions(name: string, { append, initrd }: LoadOptions): void {
  if (append === undefined && initrd === undefined) return;
  throw new KjumpError('BAD_OPTION', `${name} takes no ${append === undefined ? 'initrd' : 'append'}`, {
    why: "it is no bzImage: there is no magic 'HdrS' at 0x202, or it was given an address",
    fix: 'leave out append and initrd, or give a bzImage; the command line of a multiboot kernel is cmdline',
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

async function readProgram(path: string, fix = KERNEL_PATH): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new KjumpError('NO_SUCH_FILE', `${path} cannot be read`, {
      why: (cause as Error).message,
      fix,
      cause,
    });
  }
}
