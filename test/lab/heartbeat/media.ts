import { PAIRING_LIMITS, type Pairing } from './pairing.ts'
import { pairwise } from './pairwise.ts'
import { declare, type Telling } from './telling.ts'

const { takeover } = PAIRING_LIMITS
/** A message takes up to 100 ms over a serial line, and a move takes several. */
const planned = PAIRING_LIMITS.planned + 1000

const stories = {
  async crash(pairing: Pairing) {
    const { world, settings } = pairing
    // Who crashes may do so in the middle of a frame.
    if (settings.medium === 'serial') pairing.expect('frame:dropped')
    await pairing.act('the master crashes', () => world.crash('master'), ['master', 'slave'], takeover, ['slave'])
    await pairing.act('the master returns', () => pairing.reboot('master'), ['slave', 'master'], planned)
    return 'master' as const
  },
  async hand(pairing: Pairing) {
    const standby = () => pairing.standby('master')
    await pairing.act('standby on the master', standby, ['master', 'slave'], planned)
    await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], planned)
    return 'master' as const
  },
} as const

/** Of every two of these each value meets each value of the other, with either role. */
const rows = pairwise({
  authentication: ['sha1', 'md5', 'crc'],
  medium: ['ucast', 'bcast', 'mcast', 'serial'],
  format: ['classic', 'netstring'],
  links: [1, 2],
  story: ['crash', 'hand'],
} as const)

const inCi = (index: number): readonly string[] => [index % 2 === 0 ? 'our-slave-on' : 'our-master-on']

declare([
  {
    name: 'media-serial',
    row: 'two links, one of them a serial line, sha1, classic: what two daemons complain about over any medium',
    up: true,
    failback: [true],
    settings: { medium: 'serial', links: 2 },
    async tell(pairing) {
      await stories.hand(pairing)
      return stories.crash(pairing)
    },
  },
  {
    name: 'media-netstring',
    row: 'msgfmt netstring: the master crashes and returns',
    up: true,
    failback: [true],
    settings: { format: 'netstring' },
    tell: stories.crash,
  },
  ...rows.map(({ story, ...settings }, index): Telling => {
    const { authentication, medium, format, links } = settings
    return {
      name: `media-${authentication}-${medium}-${format}-${links}-${story}`,
      row: `${authentication} over ${medium}, ${format}, links: ${links}`,
      up: true,
      failback: [true],
      settings,
      baseline: 'media-serial',
      ci: inCi(index),
      tell: stories[story],
    }
  }),
])
