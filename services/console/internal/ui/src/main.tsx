// The pages of the console.
import { render } from "preact";
import { session, signIn } from "./api";
import { followKeys } from "./keys";
import { ActionsPage } from "./pages/actions";
import { DeadLettersPage } from "./pages/deadletters";
import { DocsPage } from "./pages/docs";
import { EventsPage } from "./pages/events";
import { LabPage } from "./pages/lab";
import { MailboxPage } from "./pages/mailbox";
import { OrderPage } from "./pages/order";
import { OrdersPage } from "./pages/orders";
import { OverviewPage } from "./pages/overview";
import { ServicesPage } from "./pages/services";
import { SignInPage } from "./pages/signin";
import { TracesPage } from "./pages/traces";
import { Empty, Page } from "./parts/parts";
import { followLinks, href, segments } from "./router";
import { Shell } from "./shell";
import { run } from "./stream";
import { followTheme } from "./theme";

function Content() {
  const [first = "", second = ""] = segments.value;
  switch (first) {
    case "": return <OverviewPage />;
    case "orders": return second ? <OrderPage key={second} id={second} /> : <OrdersPage />;
    case "events": return <EventsPage />;
    case "dead-letters": return <DeadLettersPage group={second} />;
    case "services": return <ServicesPage name={second} />;
    case "traces": return <TracesPage id={second} />;
    case "mailbox":
    case "mails": return <MailboxPage id={second} />;
    case "lab": return <LabPage />;
    case "actions": return <ActionsPage />;
    case "docs": return <DocsPage />;
  }
  return (
    <Page title="No such page">
      <Empty icon="search" title="The console has no such page"><a href={href()}>To the overview</a></Empty>
    </Page>
  );
}

function App() {
  if (session.value === undefined) return <p class="loading" role="status">Reading…</p>;
  if (session.value === null) return <SignInPage />;
  return <Shell><Content /></Shell>;
}

followTheme();
followLinks();
followKeys();
run();
render(<App />, document.getElementById("app")!);
void signIn();
