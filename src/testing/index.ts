export type { CoreSnapshot } from '../core/core.ts'
export type { CoreEvent } from '../core/events.ts'
export type { TableStep } from '../core/transition-table.ts'
export type {
  Command,
  CoreConfig,
  GroupConfig,
  LeaseConfig,
  Reconfiguration,
  Refusal,
  ResourceConfig,
} from '../core/types.ts'
export type { AskRequest, AskResult, OperationRequest, OperationResult, PersistentState } from '../roles/host.ts'
export type { KeyRefusal, KeyRefused, KeyRing, SealedHead, SealingRing, SigningRing } from '../roles/key-ring.ts'
export type { Instant } from '../roles/time.ts'
export { type ArbiterFixture, type ArbiterSuiteOptions, arbiterSuite } from './arbiter-suite.ts'
export { type AuthenticatorSuiteOptions, authenticatorSuite } from './authenticator-suite.ts'
export { type Fault, faults } from './faults.ts'
export { type LeaseStoreFixture, type LeaseStoreSuiteOptions, leaseStoreSuite } from './lease-store-suite.ts'
export { type LivenessDetectorSuiteOptions, livenessDetectorSuite } from './liveness-detector-suite.ts'
export { type Breach, Oracle, type OracleOptions } from './oracle.ts'
export { type Check, oracleChecks, type Verdict } from './oracle-checks.ts'
export { payloadOf } from './payload.ts'
export {
  type ResourceAgentSuiteOptions,
  type ResourceFixture,
  type ResourceManifest,
  resourceAgentSuite,
} from './resource-agent-suite.ts'
export { Schedule, seededRandom } from './schedule.ts'
export { shrink } from './shrink.ts'
export { type SimulatedBehaviour, SimulatedResource } from './simulated-agent.ts'
export { type Pause, SimulatedClock } from './simulated-clock.ts'
export type { StateFault } from './simulated-host.ts'
export {
  type Arrival,
  calmConditions,
  type LinkConditions,
  type NetworkFault,
  type Receiver,
  SimulatedNetwork,
} from './simulated-network.ts'
export { simulatedRing } from './simulated-ring.ts'
export { SimulatedStore, type StoreConditions } from './simulated-store.ts'
export { type SimulatedEvent, Simulation } from './simulation.ts'
export type { Ending, SimulationObserver } from './simulation-observer.ts'
export type { SimulatedGroup, SimulationOptions } from './simulation-options.ts'
export { type Played, type PlayOptions, play } from './swarm.ts'
export { drawPlan, type Plan, type PlannedFault, type PlanOptions, type Probe, type Round } from './swarm-plan.ts'
export { type TransportPair, type TransportSuiteOptions, transportSuite } from './transport-suite.ts'
