// The JSON of the console's API, after services/console/internal/view/view.go. A test of
// this package compares the members.

export interface Session {
  email: string;
  environment: string;
  read_only: boolean;
  lab: boolean;
  version: string;
  jaeger_url?: string;
}

export interface Overview {
  attention: Attention[];
  topology: Topology;
  tiles: Tile[];
  orders: number;
  faults: Fault[];
  gaps: number;
}

export interface Attention {
  kind: "stuck_orders" | "dead_letters" | "breaker" | "outbox" | "deliveries" | "service";
  title: string;
  count: number;
  since: string;
  link: string;
}

export interface Topology {
  nodes: Node[];
  edges: Edge[];
}

export interface Node {
  name: string;
  state: "up" | "impaired" | "down" | "unknown";
  reason?: string;
  rate: number;
  queue: number;
  parked: number;
  outbox: number;
  breakers?: string[];
}

export interface Edge {
  from: string;
  to: string;
  kind: "http" | "event";
  rate: number;
  state: "ok" | "retrying" | "failing";
}

export interface Tile {
  id: string;
  title: string;
  value: number;
  unit: string;
  series: number[];
}

export interface Orders {
  items: OrderSummary[];
  cursor?: string;
  total: number;
}

export interface OrderSummary {
  id: string;
  user_id: string;
  status: "pending" | "confirmed" | "paid" | "shipped" | "delivered" | "cancelled";
  verdict: string;
  cause?: "card_declined" | "out_of_stock" | "deadline" | "customer" | "admin" | "capture_failed" | "stuck" | "retrying" | "dead_letter";
  total: Money;
  started_at: string;
  updated_at: string;
  attempts: number;
  failures: number;
}

export interface Money {
  amount: number;
  currency: string;
}

export interface Order extends OrderSummary {
  states: State[];
  lanes: string[];
  steps: Step[];
  folds: Fold[];
  spans: Span[];
  lines: Line[];
  mails: Mail[];
  complete: boolean;
  notes?: string[];
}

export interface State {
  name: string;
  at?: string;
}

export interface Step {
  id: string;
  lane: string;
  kind: "emit" | "handle";
  type: string;
  event_id?: string;
  label: string;
  outcome: "ok" | "duplicate" | "retry" | "dead" | "waiting" | "expected";
  compensation: boolean;
  ghost: boolean;
  attempt?: number;
  error?: string;
  at: string;
  took_us: number;
  waited_us: number;
  next_at?: string;
  causes?: string[];
  data?: unknown;
  trace_id?: string;
  before?: Standing;
  after?: Standing;
}

export interface Standing {
  status: string;
  payment: string;
  stock: string;
}

export interface Line {
  at: string;
  service: string;
  level: "INFO" | "WARN" | "ERROR";
  text: string;
  event_id?: string;
  trace_id?: string;
  details?: Record<string, string>;
}

export interface Fold {
  after: string;
  took_us: number;
}

export interface Span {
  trace_id: string;
  span_id: string;
  parent_id?: string;
  links?: string[];
  service: string;
  name: string;
  kind: string;
  started_at: string;
  took_us: number;
  error?: string;
  attributes?: Record<string, string>;
}

export interface Mail {
  id: string;
  order_id?: string;
  channel: "email" | "push" | "inbox" | "webhook";
  kind: string;
  state: string;
  subject?: string;
  text?: string;
  html?: string;
  source?: string;
  at: string;
}

export interface Entry {
  seq: number;
  at: string;
  kind: "published" | "handled";
  service: string;
  type: string;
  event_id: string;
  order_id?: string;
  outcome?: "ok" | "duplicate" | "retry" | "dead";
  attempt?: number;
  error?: string;
  data?: unknown;
}

export interface Entries {
  items: Entry[];
}

export interface DeadLetterGroup {
  id: string;
  consumer: string;
  type: string;
  cause: string;
  state: "retry" | "dead";
  count: number;
  first: string;
  last: string;
  returned: number;
  compensation?: boolean;
}

export interface DeadLetterGroups {
  items: DeadLetterGroup[];
  unreachable?: string[];
}

export interface DeadLetter {
  event_id: string;
  consumer: string;
  type: string;
  order_id?: string;
  state: string;
  attempts: number;
  replays: number;
  error: string;
  at: string;
  data?: unknown;
}

export interface DeadLetters {
  items: DeadLetter[];
}

export interface Replayed {
  dry_run: boolean;
  count: number;
  failed: number;
  kept?: number;
  problems?: string[];
}

export interface Service extends Omit<Node, "breakers"> {
  url: string;
  instances: Instance[];
  probes: Probe[];
  consumes: Consumer[];
  breaker_states: BreakerState[];
  settings: Record<string, string>;
}

export interface Instance {
  name: string;
  seen_at: string;
}

export interface Probe {
  name: string;
  ok: boolean;
  text?: string;
}

export interface Consumer {
  type: string;
  rate: number;
  failed: number;
  lag_s: number;
}

export interface BreakerState {
  dependency: string;
  state: "closed" | "open" | "half_open";
  history: Transition[];
}

export interface Transition {
  at: string;
  from: string;
  to: string;
  reason?: string;
}

export interface Services {
  items: Service[];
}

export interface TraceSummary {
  trace_id: string;
  name: string;
  service: string;
  order_id?: string;
  started_at: string;
  took_us: number;
  spans: number;
  errors: number;
}

export interface Traces {
  items: TraceSummary[];
}

export interface Trace {
  trace_id: string;
  spans: Span[];
}

export interface Mails {
  items: Mail[];
}

export interface Fault {
  id: string;
  title: string;
  expect: string;
  active: boolean;
  ends_at?: string;
  order_id?: string;
  problem?: string;
}

export interface Lab {
  items: Fault[];
}

export interface Action {
  at: string;
  by: string;
  action: string;
  target: string;
  reason?: string;
  result: string;
}

export interface Actions {
  items: Action[];
}

