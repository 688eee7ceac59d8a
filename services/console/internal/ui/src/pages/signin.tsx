// The page for those who are not signed in.
import { useEffect, useState } from "preact/hooks";
import { post, session, signedIn } from "../api";
import { useAction } from "../data";
import { Logo } from "../parts/icon";
import { Notice } from "../parts/parts";

export function SignInPage() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { busy, failure, run } = useAction();
  useEffect(() => { document.title = "Sign in · Troupe console"; }, []);
  const submit = () => run(async () => {
    session.value = await signedIn(post("login", { email: email.trim(), password }));
  });
  return (
    <main class="sign-in">
      <form class="card" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <Logo size={36} />
        <h1>Troupe console</h1>
        <label>Email<input type="email" name="email" autocomplete="username" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} /></label>
        <label>Password<input type="password" name="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} /></label>
        {failure && <Notice tone="bad" text={failure} />}
        <button class="primary" disabled={busy}>Sign in</button>
        <p class="note">For admins. In development, <code>troupe up</code> prints a link that signs you in.</p>
      </form>
    </main>
  );
}
