"""etcd, kube-apiserver, controller manager and scheduler of a box, with their keys and the administrator's kubeconfig."""
import json
import os
import secrets
import subprocess

from box import NODE, run

SERVICE_RANGE = "10.96.0.0/16"
SERVER = f"https://{NODE}:6443"
SIGNED_DAYS = "3650"


def make_keys(box):
    pki = box.folder / "pki"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *curve, "-keyout", pki / "ca.key", "-out", pki / "ca.crt", "-subj", "/CN=box-ca",
        "-days", SIGNED_DAYS)
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", pki / "sa.key")
    run("openssl", "ec", "-in", pki / "sa.key", "-pubout", "-out", pki / "sa.pub")
    names = f"subjectAltName=IP:127.0.0.1,IP:{NODE},IP:10.96.0.1,DNS:kubernetes.default.svc,DNS:localhost"
    sign(pki, curve, "api", "/CN=kube-apiserver", names)
    sign(pki, curve, "kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client",
         "extendedKeyUsage=clientAuth")


def sign(pki, curve, name, subject, extension):
    (pki / f"{name}.ext").write_text(extension + "\n")
    run("openssl", "req", *curve, "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.csr", "-subj", subject)
    run("openssl", "x509", "-req", "-in", pki / f"{name}.csr", "-CA", pki / "ca.crt", "-CAkey", pki / "ca.key",
        "-CAcreateserial", "-out", pki / f"{name}.crt", "-days", SIGNED_DAYS, "-extfile", pki / f"{name}.ext")


def make_kubeconfig(box):
    token = secrets.token_hex(16)
    write_private(box.folder / "pki" / "tokens.csv", f"{token},admin,admin,system:masters\n")
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "box",
        "clusters": [{"name": "box", "cluster": {
            "server": SERVER, "certificate-authority": str(box.folder / "pki" / "ca.crt")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "box", "context": {"cluster": "box", "user": "admin"}}],
    }
    write_private(box.kubeconfig, json.dumps(config, indent=1) + "\n")


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def start(box, programs, options):
    make_keys(box)
    make_kubeconfig(box)
    pki = box.folder / "pki"
    box.start("etcd", programs, "etcd", f"--data-dir={box.folder}/etcd", "--log-level=error", *options.etcd_arg)
    box.start(
        "kube-apiserver", programs, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE}", "--secure-port=6443",
        f"--tls-cert-file={pki}/api.crt", f"--tls-private-key-file={pki}/api.key",
        f"--client-ca-file={pki}/ca.crt", f"--token-auth-file={pki}/tokens.csv",
        f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=Node,RBAC", f"--service-cluster-ip-range={SERVICE_RANGE}", "--allow-privileged=true",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt", f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP", *audit_flags(box, options), *options.apiserver_arg)
    kubectl = kubectl_in(box, programs)
    box.wait("kube-apiserver", lambda: kubectl("get", "--raw", "/readyz").returncode == 0, 90)
    box.start("kube-controller-manager", programs, "kube-controller-manager", f"--kubeconfig={box.kubeconfig}",
              f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/ca.crt",
              "--use-service-account-credentials=true", "--leader-elect=false")
    box.start("kube-scheduler", programs, "kube-scheduler", f"--kubeconfig={box.kubeconfig}", "--leader-elect=false")
    box.wait("kube-controller-manager",
             lambda: kubectl("get", "serviceaccount", "default").returncode == 0, 60)


def audit_flags(box, options):
    """Who asked for what, without bodies: the proof that a role's verbs are the ones used."""
    if not options.audit:
        return []
    policy = box.folder / "audit-policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n"
                      "rules: [{level: Metadata}]\n")
    return [f"--audit-policy-file={policy}", f"--audit-log-path={box.folder}/audit.log"]


def kubectl_in(box, programs):
    """kubectl beside the box, as a function that yields the finished process."""
    target = f"--target={box.require_up()}"

    def kubectl(*arguments, text=None):
        return subprocess.run(["nsenter", target, "--net", "--", str(programs / "kubectl"),
                               f"--kubeconfig={box.kubeconfig}", *arguments],
                              input=text, text=True, capture_output=True, check=False)
    return kubectl
