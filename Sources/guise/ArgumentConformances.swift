internal import ArgumentParser
internal import Telemetry

extension FlowOrder: ExpressibleByArgument {}
