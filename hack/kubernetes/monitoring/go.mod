// Only the CustomResourceDefinitions in this module are used, by tests/e2e/chart_test.
module sluice.dev/hack/kubernetes/monitoring

go 1.26

require github.com/prometheus-operator/prometheus-operator v0.85.0
