import { authenticationTable, hmacTable } from './authentication-rows.ts'
import { memberTable, serverTable } from './balancer-rows.ts'
import { checkTables, urlRows } from './check-rows.ts'
import { globalTable } from './global-rows.ts'
import { instanceTable } from './instance-rows.ts'
import type { Row } from './rows.ts'
import { garpGroupTable, groupTable, topTable } from './top-rows.ts'
import { fileTable, processTable, scriptTable } from './track-rows.ts'

/** What a row shows. */
type ShownRow = Pick<Row<never>, 'name' | 'form' | 'fate' | 'reason'>

/** Every keyword of every block, in the order of the page. */
export const tables: readonly (readonly [block: string, rows: readonly ShownRow[]])[] = [
  ['The top of a file', topTable],
  ['global_defs', globalTable],
  ['vrrp_instance', instanceTable],
  ['authentication', authenticationTable],
  ['auth_hmac', hmacTable],
  ['vrrp_script', scriptTable],
  ['vrrp_sync_group', groupTable],
  ['track_file', fileTable],
  ['vrrp_track_process', processTable],
  ['garp_group', garpGroupTable],
  ['virtual_server', serverTable],
  ['real_server', memberTable],
  ...Object.entries(checkTables),
  ['url', urlRows],
]
