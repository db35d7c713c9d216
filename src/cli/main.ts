#!/usr/bin/env node
import { holdSignals } from './early-signals.ts'

// Before anything slow is loaded: a member that is told to stop while it begins ends in order, too.
if (process.argv.includes('run')) holdSignals()
const { main } = await import('./commands.ts')
main(process.argv.slice(2))
