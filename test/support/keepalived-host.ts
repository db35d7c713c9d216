import type { KeepalivedHost } from '../../src/config/keepalived/host.ts'

/** A host in memory, on which every interface and every program is there unless it is said otherwise. */
export function keepalivedHost(
  files: Readonly<Record<string, string>>,
  own: Partial<KeepalivedHost> = {},
): KeepalivedHost {
  return {
    configId: 'north',
    hostname: 'north.example.org',
    read(path) {
      const text = files[path]
      if (text === undefined) throw new Error(`ENOENT: ${path}`)
      return text
    },
    glob(pattern, directory) {
      const full = pattern.startsWith('/') ? pattern : `${directory}/${pattern}`
      const [head = '', tail = ''] = full.split('*')
      const fits = (path: string) => (full.includes('*') ? path.startsWith(head) && path.endsWith(tail) : path === full)
      return Object.keys(files).filter(fits).sort()
    },
    whyNotIncluded: () => undefined,
    hasInterface: () => true,
    user: (name) => {
      const ids = { root: 0, nobody: 65_534 }[name]
      return ids === undefined ? undefined : { name, uid: ids, gid: ids }
    },
    program: (file) => ({ path: file.includes('/') ? file : `/usr/bin/${file}` }),
    ...own,
  }
}
