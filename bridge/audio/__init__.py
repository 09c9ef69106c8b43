"""Audio that knows neither vendors nor agents: resampling, WAV, voice activity, recording."""
