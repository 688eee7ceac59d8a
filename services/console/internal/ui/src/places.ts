// The pages that the navigation lists.
export interface Place {
  path: string[];
  title: string;
  icon: string;
  key: string; // pressed after g
  lab?: boolean; // only where faults can be caused
}

export const places: Place[] = [
  { path: [], title: "Overview", icon: "overview", key: "h" },
  { path: ["orders"], title: "Orders", icon: "orders", key: "o" },
  { path: ["events"], title: "Events", icon: "events", key: "e" },
  { path: ["dead-letters"], title: "Dead letters", icon: "dead", key: "d" },
  { path: ["services"], title: "Services", icon: "services", key: "s" },
  { path: ["traces"], title: "Traces", icon: "traces", key: "r" },
  { path: ["mailbox"], title: "Mailbox", icon: "mail", key: "m" },
  { path: ["lab"], title: "Lab", icon: "lab", key: "l", lab: true },
  { path: ["actions"], title: "Actions", icon: "actions", key: "a" },
  { path: ["docs"], title: "Docs", icon: "docs", key: "i" },
];
