// `go install` would ask the module proxy for the list of versions; an exact requirement does not.
module airgap.test/trivy

go 1.26.3

require github.com/aquasecurity/trivy v0.72.0
