import type { CoreConfig } from '../core/types.ts'
import type { Resolved } from '../options/resolve.ts'
import { createPatientWriter } from '../platform/patient-writer.ts'
import { RotatingFile } from '../platform/recording-file.ts'
import { libraryVersion } from '../platform/version.ts'
import { Recorder } from './recorder.ts'

/** A recorder of a running member, and where its recordings go. */
export interface FlightRecorder {
  readonly recorder: Recorder
  /** Everything is on the disk, or the disk has not answered for two seconds. */
  close(): Promise<void>
}

/** Makes the recorder that the options ask for; undefined when nothing is to be recorded. */
export function openRecorder(
  {
    recorder: options = {},
    liveness,
    stateDirectory,
    logger,
  }: Pick<Resolved, 'recorder' | 'liveness' | 'stateDirectory' | 'logger'>,
  config: CoreConfig,
  onProblem: (error: unknown) => void,
): FlightRecorder | undefined {
  const { memoryBytes = 1_048_576, keepChanges = 4, file, maxBytes = 67_108_864, keep = 4 } = options
  if (memoryBytes === 0) return undefined
  const writer = createPatientWriter()
  const sink = file === undefined ? undefined : new RotatingFile(file, { maxBytes, keep }, writer, onProblem)
  const { type, times, settings } = liveness
  let writing: Promise<unknown> = Promise.resolve()
  const recorder: Recorder = new Recorder({
    head: { library: libraryVersion(), config, liveness: { type, times, settings } },
    memoryBytes,
    sink,
    onFull() {
      const where =
        file === undefined ? 'is kept nowhere: set recorder.file to keep it' : `is in ${file} and its older files`
      const message = `recorder.memoryBytes (${memoryBytes}) are full: memory goes on with the newest; the start of this process ${where}`
      logger.info({ memoryBytes, file }, message)
    },
    onRoleChange: ({ name, payload }) => {
      if (keepChanges === 0) return
      const when = new Date(recorder.lastWallMs).toISOString().replaceAll(':', '-')
      const { group = '' } = payload as { group?: string }
      const fileName = `${when} ${group} ${name.replace('group:', '')}.recording`.replaceAll(/[^A-Za-z0-9._-]/g, '_')
      writing = writing
        .then(() => writer.keep(`${stateDirectory}/recordings/${fileName}`, recorder.recording(), keepChanges))
        .catch(onProblem)
    },
  })
  return {
    recorder,
    async close() {
      recorder.close()
      await writing
      await sink?.close()
      await writer.close()
    },
  }
}
