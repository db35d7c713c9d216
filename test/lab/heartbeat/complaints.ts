/** What a daemon complains about. Pure. */

const SEVERITY = /\b(?:WARN|WARNING|ERROR|CRIT|EMERG|ALERT):/

/**
 * The complaints in a daemon's log: the severity and the text, with everything that differs from run to run replaced:
 * numbers, hashes, and which of the two nodes is meant. Each one once, in order of appearance.
 */
export const complaintsOf = (log: string): readonly string[] => {
  const texts = log.split('\n').flatMap((line) => {
    const at = line.search(SEVERITY)
    return at < 0 ? [] : [line.slice(at)]
  })
  return [...new Set(texts.map(normalise))]
}

const normalise = (text: string): string =>
  text
    .replaceAll(/\b(?:master|slave)\b/g, 'NODE')
    .replaceAll(/\b[0-9a-f]{32,}\b/g, 'HASH')
    .replaceAll(/\b0x[0-9a-f]+\b/g, 'N')
    .replaceAll(/(?<=ERROR: MSG\[)\d+\] : \[.*/g, 'N] : FIELD')
    .replaceAll(/(?<=Dispatch function for ).*(?= was delayed)/g, 'WORK')
    .replaceAll(/\d+/g, 'N')
    .replaceAll(/\s+/g, ' ')
    .trim()
