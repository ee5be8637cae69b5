# Installs, upgrades and removes an environment of Outrider on Windows, for PowerShell 5.1 and newer, as an administrator:
#
#   powershell -ExecutionPolicy Bypass -File @FILE@ -Gateway https://gateway.example -Id device-1 -TokenFile token
#   powershell -ExecutionPolicy Bypass -File @FILE@ -Uninstall [-Purge]
#
# The program lies beside this script. It is run by the scheduler at each start of the machine, as LOCAL SERVICE.
[CmdletBinding()]
param(
  [string] $Gateway = $env:OUTRIDER_GATEWAY,
  [string] $Id = $env:OUTRIDER_EXECUTOR_ID,
  # A file that holds the gateway's token. It is never an argument, since others see those.
  [string] $TokenFile,
  [switch] $Uninstall,
  # With -Uninstall: the configuration and the state too.
  [switch] $Purge
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2

$Name = '@NAME@'
$Version = '@VERSION@'
# Target, version's name, SHA-256 and size of each program.
$Programs = @'
@TARGETS@
'@
$Inside = '@INSIDE@'
$Carried = @'
@CARRIED@
'@
$Task = "Outrider $Name"
$Folder = Join-Path $env:ProgramFiles "Outrider\$Name"
$Data = Join-Path $env:ProgramData "Outrider\$Name"
$Settings = Join-Path $Data 'outrider.env'
$Utf8 = New-Object System.Text.UTF8Encoding $false

function Write-Whole([string] $Path, [string] $Text) {
  [System.IO.File]::WriteAllText("$Path.new", $Text, $Utf8)
  Move-Item -Force -LiteralPath "$Path.new" -Destination $Path
}

function Stop-Outrider {
  if (Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue) { Stop-ScheduledTask -TaskName $Task }
}

function Get-Program {
  $architecture = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
  $target = @{ AMD64 = 'windows-x64'; ARM64 = 'windows-arm64' }[$architecture]
  foreach ($line in $Programs -split "`r?`n") {
    $found, $id, $sha256, $bytes = $line -split ' '
    if ($target -and $found -eq $target) {
      $path = Join-Path $PSScriptRoot "outrider-$target.exe"
      if (-not (Test-Path -LiteralPath $path)) { throw "There is no $path`: put it beside this script" }
      $digest = (Get-FileHash -Algorithm SHA256 -LiteralPath $path).Hash
      if ($digest -ne $sha256) { throw "$path is not the program that this script installs: its SHA-256 is $digest, not $sha256" }
      return @{ Id = $id; Path = $path }
    }
  }
  throw "$Name is not made for this machine, $architecture"
}

function Protect-Folder([string] $Path, [string] $ForTheService) {
  # SYSTEM and administrators own it; the service may do what it needs; nobody else reads it.
  & icacls.exe $Path /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' "*S-1-5-19:(OI)(CI)$ForTheService" | Out-Null
  if ($LASTEXITCODE -ne 0) { throw "The rights of $Path could not be set: icacls ended with $LASTEXITCODE" }
}

function Write-Settings {
  # What the operator has written stays.
  if (Test-Path -LiteralPath $Settings) { return }
  $lines = @()
  if ($Gateway) { $lines += "OUTRIDER_GATEWAY=$Gateway" }
  if ($Id) { $lines += "OUTRIDER_EXECUTOR_ID=$Id" }
  $token = if ($TokenFile) { (Get-Content -Raw -LiteralPath $TokenFile).Trim() } else { $env:OUTRIDER_TOKEN }
  if ($token) { $lines += "OUTRIDER_TOKEN=$token" }
  Write-Whole $Settings (($lines -join "`r`n") + "`r`n")
}

function Register-Outrider {
  $run = Join-Path $Folder 'run.ps1'
  Write-Whole $run @'
# Started by the scheduler: the settings become variables, and the present version runs.
param([string] $Folder, [string] $Data)
$ErrorActionPreference = 'Stop'
foreach ($line in [System.IO.File]::ReadAllLines((Join-Path $Data 'outrider.env'))) {
  if ($line -match '^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$') { Set-Item -LiteralPath "Env:$($Matches[1])" -Value $Matches[2] }
}
$version = Join-Path $Folder ('versions\' + [System.IO.File]::ReadAllText((Join-Path $Folder 'current')).Trim())
$env:OUTRIDER_ENVIRONMENT = Join-Path $version 'environment.json'
if (-not $env:OUTRIDER_STATE_DIR) { $env:OUTRIDER_STATE_DIR = Join-Path $Data 'state' }
& (Join-Path $version 'outrider.exe') agent --supervise --follow
# The configuration is wrong: no start makes that right, so the scheduler is told of no failure.
if ($LASTEXITCODE -eq 2) { exit 0 }
exit $LASTEXITCODE
'@
  $arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$run`" `"$Folder`" `"$Data`""
  $action = New-ScheduledTaskAction -Execute (Join-Path $PSHOME 'powershell.exe') -Argument $arguments
  $settings = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
    -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -MultipleInstances IgnoreNew
  $principal = New-ScheduledTaskPrincipal -UserId 'S-1-5-19' -LogonType ServiceAccount -RunLevel Limited
  Register-ScheduledTask -Force -TaskName $Task -Action $action -Settings $settings -Principal $principal `
    -Trigger (New-ScheduledTaskTrigger -AtStartup) | Out-Null
}

function Start-Version([string] $Id) {
  Write-Whole (Join-Path $Folder 'current') $Id
  Start-ScheduledTask -TaskName $Task
  Start-Sleep -Seconds 15
  return (Get-ScheduledTask -TaskName $Task).State -eq 'Running'
}

function Install-Outrider {
  if ($env:OUTRIDER_TRUST) {
    throw 'This script checks no signatures: check the program with minisign, take OUTRIDER_TRUST out of the environment, and put it into outrider.env'
  }
  $program = Get-Program
  $current = Join-Path $Folder 'current'
  $before = if (Test-Path -LiteralPath $current) { (Get-Content -Raw -LiteralPath $current).Trim() } else { '' }
  $version = Join-Path $Folder "versions\$($program.Id)"
  New-Item -ItemType Directory -Force -Path $version, (Join-Path $Data 'state') | Out-Null
  Protect-Folder $Folder 'RX'
  Protect-Folder $Data 'M'
  Stop-Outrider
  Copy-Item -Force -LiteralPath $program.Path -Destination (Join-Path $version 'outrider.exe')
  Write-Whole (Join-Path $version 'environment.json') "$Carried`n"
  Write-Settings
  Register-Outrider
  if ($Inside -ne 'yes' -and -not (Select-String -Quiet -LiteralPath $Settings -Pattern '^\s*OUTRIDER_(GATEWAY|PIPELINE)=.')) {
    Write-Whole $current $program.Id
    Write-Output "$Name $Version is installed and not started: it has no gateway. Write one into $Settings, then: Start-ScheduledTask '$Task'"
    return
  }
  if (Start-Version $program.Id) {
    Write-Output "$Name $Version is installed and runs. Its settings are in $Settings"
    return
  }
  if ($before -and $before -ne $program.Id -and (Start-Version $before)) {
    throw "$Name $Version ended within 15 s; the version before runs again"
  }
  throw "$Name $Version ended within 15 s: look into $Settings, and run $version\outrider.exe agent by hand"
}

function Uninstall-Outrider {
  Stop-Outrider
  if (Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue) {
    Unregister-ScheduledTask -Confirm:$false -TaskName $Task
  }
  $gone = @($Folder)
  if ($Purge) { $gone += $Data }
  foreach ($path in $gone) { if (Test-Path -LiteralPath $path) { Remove-Item -Recurse -Force -LiteralPath $path } }
  Write-Output "$Name is removed"
}

# Last, so that a script that was cut off does nothing.
$user = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) { throw 'Run this as an administrator' }
if ($Uninstall) { Uninstall-Outrider } else { Install-Outrider }
