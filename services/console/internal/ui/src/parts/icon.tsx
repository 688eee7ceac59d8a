// Icons are lines of 16 by 16, drawn with the colour of the text.
const paths: Record<string, string> = {
  overview: "M2 9h5V2H2zM9 14h5V7H9zM2 14h5v-3H2zM9 5h5V2H9z",
  orders: "M3 2h10v12l-2.5-1.5L8 14l-2.5-1.5L3 14zM5.5 5.5h5M5.5 8.5h5",
  events: "M2 8h3l2-5 2.5 10L11.5 8H14",
  dead: "M2.5 8.5V13h11V8.5M2.5 8.5h3l1 1.5h3l1-1.5h3M2.5 8.5 4.5 3h7l2 5.5",
  services: "M2.5 2.5h11v4h-11zM2.5 9.5h11v4h-11zM5 4.5h.01M5 11.5h.01",
  traces: "M2 3.5h7M5 8h7M8 12.5h6",
  mail: "M2 3.5h12v9H2zM2 4l6 5 6-5",
  lab: "M6 2h4M7 2v4.5L3 13.5h10L9 6.5V2M5 10.5h6",
  docs: "M8 3.5C6.5 2.5 4 2.5 2.5 3v10c1.5-.5 4-.5 5.5.5 1.5-1 4-1 5.5-.5V3C12 2.5 9.5 2.5 8 3.5zM8 3.5v10",
  actions: "M8 2a6 6 0 1 1-5.600 3.900M2 2.5v3.5h3.5M8 5v3.5l2.5 1.5",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5 14 14",
  help: "M6 6c0-2.5 4-2.5 4 0 0 1.5-2 1.5-2 3.200M8 11.800h.01",
  ok: "M3 8.5 6.5 12 13 4.5",
  retry: "M12.5 6.5A5 5 0 1 0 13 9M13 3v3.5H9.5",
  dead_letter: "M4 4l8 8M12 4l-8 8",
  duplicate: "M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3",
  waiting: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.5l2 1.5",
  undo: "M6.5 3 3 6.5 6.5 10M3.5 6.5H9a4 4 0 0 1 0 7H6.5",
  warn: "M8 2.5 14.5 13.5h-13zM8 6.5v3M8 11.5h.01",
  copy: "M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3",
  out: "M6 3H3v10h10v-3M9 2.5h4.5V7M13 3 7.5 8.5",
  close: "M4 4l8 8M12 4l-8 8",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M4.5 2.5 13 8l-8.5 5.5z",
  down: "M8 2.5v10M3.5 8 8 12.5 12.5 8",
  right: "M6 3l5 5-5 5",
  light: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  dark: "M13.5 9.5A6 6 0 1 1 6.5 2.5a5 5 0 0 0 7 7z",
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  add: "M8 3v10M3 8h10",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  stop: "M4 4h8v8H4z",
};

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name] ?? paths.help} />
    </svg>
  );
}

// glyph returns the path of an icon, for a picture that draws it itself.
export const glyph = (name: string): string => paths[name] ?? paths.help;

// Logo is the picture of assets/icon.svg, without a request.
export function Logo({ size }: { size: number }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="6" fill="#4f46e5" />
      <path d="M5 8h14M5 16h14" stroke="#fff" stroke-opacity=".45" stroke-width="1.5" />
      <path d="M8 8c5 0 3 8 8 8" stroke="#fff" stroke-width="1.8" fill="none" />
      <circle cx="8" cy="8" r="2.4" fill="#fff" />
      <circle cx="16" cy="16" r="2.4" fill="#fff" />
    </svg>
  );
}
