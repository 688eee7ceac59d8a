// The theme is that of the system, unless one is chosen.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const key = "troupe.console.theme";

function kept(): Theme {
  try {
    const theme = localStorage.getItem(key);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system"; // the browser keeps nothing for this page
  }
}

export const theme = signal<Theme>(kept());

export function followTheme(): void {
  effect(() => {
    if (theme.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    try {
      localStorage.setItem(key, theme.value);
    } catch {
      // It lasts until the page is closed.
    }
  });
}

const next: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const nextTheme = (): void => {
  theme.value = next[theme.value];
};
