# SPDX-License-Identifier: Apache-2.0
"""The webhook sink against a receiver that checks signatures by its own reading of the specification."""
import json
import os
import time
from urllib.parse import unquote

from harness import ABIDRIFT, abidrift, wait_for
from receivers import Authority, Flood, Sinks, secret, signature
from test_cli import UUID


class Webhook(Sinks):
    def test_an_alert_is_a_cloud_event_that_is_signed_with_every_secret(self):
        """Without it a receiver cannot tell our events from anybody's."""
        old, new = secret(), secret()
        # Only root can read it: it is read before rights are given up.
        path = self.file("secrets", f"# two, while receivers change over\n{old}\n\n{new}\n")
        hook = self.receiver()
        m = self.monitor_of(f"webhook.url={hook.url()}", f"webhook.secret_file={path}")
        self.alert()
        got = wait_for("the event", lambda: hook.of(UUID))[0]
        self.assertEqual((got.method, got.path), ("POST", "/hook"))
        self.assertEqual(got.headers["webhook-signature"].split(" "), [signature(old, got), signature(new, got)])
        self.assertLess(abs(int(got.headers["webhook-timestamp"]) - time.time()), 300)
        self.assertTrue(got.headers["content-type"].startswith("application/cloudevents+json"))
        self.assertTrue(got.headers["user-agent"].startswith("abidrift/"))
        told = json.loads(m.wait_line('"type":"resolved"', "out"))
        self.assertEqual(got.event, {"specversion": "1.0", "id": told["id"], "source": "/abidrift/" + told["host"], "type": "io.abidrift.resolved", "time": told["at"],
                                     "subject": UUID, "datacontenttype": "application/json", "data": told})
        self.assertEqual(got.headers["webhook-id"], told["id"])
        wait_for("its acknowledgement", lambda: not self.waiting("webhook"))
        self.assertEqual(len(hook.of(UUID)), 1)

    def test_a_secret_that_was_replaced_counts_from_the_next_alert_on(self):
        first, second = secret(), secret()
        path = self.file("secrets", first, "nobody")
        hook = self.receiver()
        self.monitor_of(f"webhook.url={hook.url()}", f"webhook.secret_file={path}")
        self.put("g", 1)
        one = wait_for("the first", lambda: hook.of("g"))[0]
        self.file("secrets", second, "nobody")
        self.put("g", 2)
        two = wait_for("the second", lambda: hook.of("g")[1:])[0]
        # What is no secret does not unsign what follows.
        self.file("secrets", "nonsense", "nobody")
        self.put("g", 3)
        three = wait_for("the third", lambda: hook.of("g")[2:])[0]
        self.assertEqual([r.headers["webhook-signature"] for r in (one, two, three)], [signature(first, one), signature(second, two), signature(second, three)])

    def test_retry_after_is_honoured_by_all_of_its_alerts(self):
        hook = self.receiver(lambda r: (503, {"Retry-After": "2"}, b"") if len(hook.requests) == 1 else 200)
        m = self.monitor_of(f"webhook.url={hook.url()}")
        first = self.put("a", 1)
        m.wait_line("alerts cannot go to webhook now: HTTP 503 .* to be tried again in 2 s; they wait")
        second = self.put("b", 1)
        wait_for("both", lambda: not self.waiting("webhook"))
        self.assertEqual({r.id for r in hook.requests[1:]} & {first, second}, {first, second})
        self.assertGreaterEqual(hook.requests[1].at - hook.requests[0].at, 2)

    def test_410_ends_it_until_the_next_start_and_nothing_is_lost(self):
        hook = self.receiver(lambda r: 410)
        m = self.monitor_of(f"webhook.url={hook.url()}")
        self.put("g", 1)
        m.wait_line("alerts no longer go to webhook: HTTP 410")
        self.put("g", 2)
        m.wait_line("g: number 2", "out")
        self.assertEqual(len(hook.of("g")), 1)
        m.stop()
        self.assertEqual(len(self.waiting("webhook")), 2)
        hook.answer = lambda r: 200
        self.monitor_of(f"webhook.url={hook.url()}")
        wait_for("both", lambda: not self.waiting("webhook"))
        self.assertEqual([r.event["data"]["summary"] for r in hook.of("g")], ["g: number 1", "g: number 1", "g: number 2"])

    def test_an_alert_that_the_receiver_fails_on_holds_up_only_its_own_guest(self):
        """More often than a refusal would be borne, and it still arrives when the receiver is mended."""
        bad = []
        hook = self.receiver(lambda r: 500 if bad and r.id == bad[0] else 200)
        m = self.monitor_of(f"webhook.url={hook.url()}")
        bad.append(self.put("a", 1))
        m.wait_line("webhook fails: HTTP 500")
        self.put("a", 2)
        self.put("b", 1)
        wait_for("the other guest's", lambda: hook.of("b"))
        wait_for("many attempts", lambda: len(hook.of("a")) > 6)
        self.assertEqual({r.id for r in hook.of("a")}, set(bad))
        bad.clear()
        wait_for("all", lambda: not self.waiting("webhook"))
        self.assertEqual([r.event["data"]["summary"] for r in hook.of("a")][-2:], ["a: number 1", "a: number 2"])
        self.assertEqual(self.count("webhook,given_up"), 0)

    def test_what_is_refused_again_and_again_is_given_up_counted_and_said(self):
        hook = self.receiver(lambda r: (422, {}, b"what is this?\nmore") if r.guest == "a" else 200)
        m = self.monitor_of(f"webhook.url={hook.url('/')}")
        self.put("a", 1)
        # While it takes nothing at all, the fault may be its own, and the alert waits.
        wait_for("more refusals than one alert is worth", lambda: len(hook.of("a")) > 5)
        self.assertEqual(self.count("webhook,given_up"), 0)
        self.put("b", 1)
        wait_for("the other guest's", lambda: hook.of("b"))
        self.assertIn("HTTP 422", m.wait_line("an alert was given up"))
        wait_for("an empty queue", lambda: not self.waiting("webhook"))
        self.assertEqual(self.count("webhook,given_up"), 1)

    def test_many_alerts_of_a_guest_that_fails_hide_no_other_guest(self):
        """However many wait at the head of the queue."""
        hook = self.receiver(lambda r: 500 if r.guest == "a" else 200)
        self.monitor_of(f"webhook.url={hook.url()}")
        for n in range(100):
            self.put("a", n)
        self.put("b", 1)
        wait_for("the other guest's", lambda: hook.of("b"))

    def test_a_clock_that_was_set_back_or_forward_loses_and_stops_nothing(self):
        """Alerts of 1970, and attempts that are due tomorrow."""
        away = ["away"]
        hook = self.receiver(lambda r: 503 if away else 200)
        self.monitor_of(f"webhook.url={hook.url()}")
        old = self.put("a", 1)
        self.sql("UPDATE alerts SET at = 5 WHERE id = ?", old)
        wait_for("attempts", lambda: len(hook.of("a")) > 2)
        self.sql("UPDATE deliveries SET next_at = ?", (int(time.time()) + 86400) * 10**9)
        away.clear()
        wait_for("an empty queue", lambda: not self.waiting("webhook"))
        self.assertEqual(self.count("webhook,given_up"), 0)

    def test_a_redirect_is_not_followed_and_a_wrong_path_waits_for_a_person(self):
        other = self.receiver()
        answers = [(302, {"Location": other.url("/elsewhere")}, b""), (404, {}, b""), 200]
        hook = self.receiver(lambda r: answers.pop(0) if r.guest == "g" else 200)
        m = self.monitor_of(f"webhook.url={hook.url()}")
        self.put("g", 1)
        m.wait_line("cannot go to webhook now: HTTP 302 .*: redirects are not followed")
        wait_for("the third attempt to be taken", lambda: not self.waiting("webhook"))
        self.assertEqual((len(hook.of("g")), other.requests), (3, []))

    def test_what_is_secret_in_a_url_is_said_nowhere(self):
        """Many receivers say which path they do not know."""
        hook = self.receiver(lambda r: (404, {}, b"Cannot POST " + r.path.encode()))
        url = hook.url("/services/T0PSECRETPATH?key=T0PSECRETQUERY", "user:T0PSECRETPASS@")
        m = self.monitor_of(f"webhook.url={url}")
        self.put("g", 1)
        m.wait_line("cannot go to webhook now: HTTP 404")
        self.assertTrue(hook.requests[0].headers["authorization"].startswith("Basic "))
        tested = abidrift("alert", "test", "webhook", "--set", f"webhook.url={url}", ok=(2,))
        m.stop()
        hook.stop()
        away = abidrift("alert", "test", "webhook", "--set", f"webhook.url={url}", ok=(2,))
        why = [row[0] for row in self.sql("SELECT why FROM deliveries")]
        for said in ("\n".join(m.err), tested.stdout, tested.stderr, away.stdout, away.stderr, *why):
            self.assertNotIn("T0PSECRET", said)
        self.assertIn("later", away.stdout)

    def test_nothing_of_an_answer_is_passed_on_where_it_could_repeat_a_secret(self):
        """However the receiver writes what it was asked: unquoted, in capitals, as it came in a header."""
        hook = self.receiver(lambda r: (404, {}, f"{r.path} {unquote(r.path)} {r.path.upper()} {r.headers} echoed".encode()))
        file = self.file("secrets", secret())
        for url, more in ((hook.url("/", "u:pw@"), ()), (hook.url("/", "token@"), ()), (hook.url("/%73hort"), ()), (hook.url("/k"), ()), (hook.url("/?k=v"), ()),
                          (hook.url("/"), ("--set", f"webhook.secret_file={file}"))):
            with self.subTest(url):
                done = abidrift("alert", "test", "webhook", "--set", f"webhook.url={url}", *more, ok=(2,))
                self.assertIn("HTTP 404", done.stdout)
                self.assertNotIn("says", done.stdout + done.stderr)
                self.assertNotIn("echoed", done.stdout + done.stderr)
        for url in (hook.url("/"), hook.url("")):
            self.assertIn('it says "/ / / ', abidrift("alert", "test", "webhook", "--set", f"webhook.url={url}", ok=(2,)).stdout)

    def test_a_proxy_of_the_environment_is_not_between_us_and_this_host(self):
        hook = self.receiver()
        env = dict(os.environ, http_proxy="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1")
        env.pop("no_proxy", None)
        abidrift("alert", "test", "webhook", "--set", f"webhook.url={hook.url()}", env=env)
        self.assertEqual(len(hook.requests), 1)

    def test_a_name_that_begins_like_this_host_is_anothers_and_goes_through_the_proxy(self):
        """What tenants or a name server make up decides about no way around it."""
        proxy = self.receiver()
        env = dict(os.environ, http_proxy=proxy.url("/"))
        env.pop("no_proxy", None)
        for url in ("http://127.evil.example/hook", "http://localhost.evil.example/hook", "http://[fd00::1]/hook"):
            abidrift("alert", "test", "webhook", "--set", f"webhook.url={url}", env=env)
            self.assertEqual(proxy.requests[-1].path, url)
        proxy.requests.clear()
        for host in ("localhost", "127.0.0.2", "[::1]"):
            abidrift("alert", "test", "webhook", "--set", f"webhook.url=http://{host}:1/", env=env, ok=(2,))
        self.assertEqual(proxy.requests, [])

    def test_an_answer_without_end_is_cut(self):
        """A receiver that never stops talking costs neither memory nor time."""
        hook = self.receiver(lambda r: (200, {}, b"x" * (64 << 20)))
        done = abidrift("alert", "test", "webhook", "--set", f"webhook.url={hook.url()}")
        self.assertIn("delivered", done.stdout)

    def test_what_stands_around_a_body_is_cut_too(self):
        """Else a receiver fills the memory of the host with what nobody reads."""
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        headers = "the headers of its answer have no end"
        for what, begin, more, ok, said in (("trailers", chunked + b"0\r\n", b"a: b\r\n", 0, "HTTP 200"),
                                            ("one trailer", chunked + b"0\r\na: ", b"x", 0, "HTTP 200"),
                                            ("a chunk's extension", chunked + b"5;", b"x", 0, "HTTP 200"),
                                            ("small chunks", chunked, b"1\r\nx\r\n", 0, "HTTP 200"),
                                            ("headers", b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", 2, headers),
                                            ("answers before the answer", b"", b"HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n", 2, headers),
                                            ("one header", b"HTTP/1.1 200 OK\r\na: ", b"x", 2, "")):
            with self.subTest(what):
                hook = Flood(begin, more)
                self.addCleanup(hook.stop)
                done = abidrift("alert", "test", "webhook", "--set", f"webhook.url=http://127.0.0.1:{hook.port}/", ok=(ok,))
                hook.stop()
                self.assertEqual(hook.ended, "they")
                self.assertIn(said, done.stdout)

    def test_the_reason_is_read_from_chunks(self):
        for text, said in ((b"F;a=b\r\nwhat is this?\nx\r\n0\r\n\r\n", ', it says "what is this?"'), (b"9\r\nwhat is t\r\n4\r\nhis?\r\n0\r\n\r\n", ', it says "what is t"'),
                           (b"0\r\n\r\n", "HTTP 422"), (b"fffffffffffffffff\r\nwhat is this?\r\n", ": "), (b"d", ": ")):
            with self.subTest(text):
                hook = Flood(b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n" + text, b"x", most=0)
                self.addCleanup(hook.stop)
                done = abidrift("alert", "test", "webhook", "--set", f"webhook.url=http://127.0.0.1:{hook.port}/", ok=(2,))
                self.assertIn(said, done.stdout)
                self.assertEqual("it says" in done.stdout, "it says" in said)


class Tls(Sinks):
    def through(self, url, *settings, ok):
        sets = [word for s in (f"webhook.url={url}", *settings) for word in ("--set", s)]
        done = abidrift("alert", "test", "webhook", "--json", *sets, ok=(0 if ok else 2,))
        return json.loads(done.stdout)["sinks"][0]

    def test_only_a_receiver_that_proves_who_it_is_gets_alerts(self):
        ours, theirs = Authority(self.folder, "ours"), Authority(self.folder, "theirs")
        good = self.receiver(context=ours.server("good"))
        ca = f"webhook.ca_file={ours.cert}"
        self.assertEqual(self.through(good.url(), ca, ok=True)["result"], "delivered")
        self.assertEqual(len(good.requests), 1)
        refused = [(good, (), "an authority that nobody trusts"),
                   (self.receiver(context=theirs.server("stranger")), (ca,), "another authority"),
                   (self.receiver(context=ours.server("other", names="DNS:elsewhere.example")), (ca,), "another name"),
                   (self.receiver(context=ours.server("past", days=-1)), (ca,), "a certificate that has ended")]
        good.requests.clear()
        for receiver, settings, what in refused:
            with self.subTest(what):
                said = self.through(receiver.url(), *settings, ok=False)
                self.assertEqual(said["result"], "later")
                self.assertRegex(said["text"].lower(), "certificate|ssl|expired")
                self.assertEqual(receiver.requests, [])

    def test_a_client_certificate_that_only_root_can_read_is_shown(self):
        ours = Authority(self.folder, "ours")
        cert, key = ours.sign("client")
        os.chmod(key, 0o600)
        hook = self.receiver(context=ours.server("server", clients=ours))
        settings = (f"webhook.ca_file={ours.cert}",)
        self.assertEqual(self.through(hook.url(), *settings, ok=False)["result"], "later")
        self.assertEqual(hook.requests, [])
        self.through(hook.url(), *settings, f"webhook.cert_file={cert}", f"webhook.key_file={key}", ok=True)
        self.monitor_of(f"webhook.url={hook.url()}", *settings, f"webhook.cert_file={cert}", f"webhook.key_file={key}")
        self.put("g", 1)
        wait_for("the alert", lambda: hook.of("g"))


class Mistakes(Sinks):
    """A mistake is said at the start, and no secret is said with it."""
    def error(self, *settings):
        sets = [word for s in settings for word in ("--set", s)]
        done = abidrift("alert", "test", *sets, ok=(2,))
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done)
        return done.stderr

    def test_more_than_one_url(self):
        self.assertIn("webhook.url", self.error("webhook.url=http://127.0.0.1:1/a http://127.0.0.1:2/b"))

    def test_no_url(self):
        self.assertIn("webhook.url is no URL", self.error("webhook.url=http://[127.0.0.1/a"))

    def test_secrets(self):
        good = secret()
        for number, text in ((1, "plain"), (2, f"{good}\nwhsec_c2hvcnQ="), (1, good[:-5] + "?" + good[-4:]), (1, "whsec_" + "QUFB" * 40)):
            path = self.file("secrets", text)
            said = self.error("webhook.url=http://127.0.0.1:1/", f"webhook.secret_file={path}")
            self.assertIn(f"line {number} is not whsec_", said)
            self.assertNotIn(text.split("\n")[-1], said)
        self.assertIn("there is no secret in it", self.error("webhook.url=http://127.0.0.1:1/", f"webhook.secret_file={self.file('secrets', '# none')}"))
        self.assertIn("No such file", self.error("webhook.url=http://127.0.0.1:1/", "webhook.secret_file=/nonexistent/secrets"))
        self.assertIn("cannot read /dev/zero: it is no regular file", self.error("webhook.url=http://127.0.0.1:1/", "webhook.ca_file=/dev/zero"))

    def test_a_monitor_does_not_start_with_one(self):
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "webhook.url=http://127.0.0.1:1/", "--set",
                          "webhook.secret_file=/nonexistent/secrets"])
        self.assertEqual(m.child.wait(30), 2)
        wait_for("its reason", lambda: [line for line in m.err if "webhook.secret_file: cannot read" in line])
